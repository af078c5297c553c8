// The engine against a second, slow implementation that is written from the documented rules:
// random sublayers, filters, conditions, callouts and traffic must give the same verdict, the same
// callouts asked, in the same order and with the same rights.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <optional>

#include "filter/engine.h"
#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::key;

constexpr GUID kLayer = FWPM_LAYER_DATAGRAM_DATA_V4;

// What a scripted callout does.
enum class Says { Nothing, Permit, Block, HardPermit, HardBlock, Absorb, AbsorbWithRight };

struct Script {
  FWP_ACTION_TYPE kind;
  Says says;
  bool registered;
};

struct Spec {
  size_t sublayer;
  uint64_t weight;
  uint32_t flags;
  FWP_ACTION_TYPE action;  // a callout's kind when `script` is set
  std::optional<Script> script;
  std::optional<uint16_t> remote_port;  // its condition
};

struct World {
  std::vector<uint16_t> sublayers;  // weights, in order of addition
  std::vector<Spec> filters;
  uint16_t remote_port;
};

struct Asked {
  size_t filter;
  bool with_right;
  bool operator==(const Asked&) const = default;
};

struct Outcome {
  Verdict verdict = Verdict::Permit;
  std::vector<Asked> asked;
};

// --- the model: the rules as prose has them ------------------------------------------------

enum class Decision { None, SoftPermit, HardPermit, SoftBlock, HardBlock, Veto, Absorbed };

Decision hardened(Decision decision, bool harden) {
  if (!harden) return decision;
  if (decision == Decision::SoftPermit) return Decision::HardPermit;
  if (decision == Decision::SoftBlock) return Decision::HardBlock;
  return decision;
}

Decision of_callout(const Spec& spec, bool right) {
  const Script& script = *spec.script;
  const bool clear = (spec.flags & FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0;
  const bool inspects = script.kind == FWP_ACTION_CALLOUT_INSPECTION;
  if (inspects) return Decision::None;
  if (!script.registered) {
    const bool open = (spec.flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0;
    return open ? hardened(Decision::SoftPermit, clear) : Decision::HardBlock;
  }
  switch (script.says) {
    case Says::Nothing:
      // Without the right it was shown a permit, and leaves that.
      return right ? Decision::None : Decision::HardPermit;
    case Says::Permit:
      return hardened(Decision::SoftPermit, clear || !right);
    case Says::HardPermit:
      return Decision::HardPermit;
    case Says::Block:
      return right ? hardened(Decision::SoftBlock, clear) : Decision::Veto;
    case Says::HardBlock:
      return right ? Decision::HardBlock : Decision::Veto;
    case Says::Absorb:
    case Says::AbsorbWithRight:
      return Decision::Absorbed;
  }
  return Decision::None;
}

bool may_still_be_asked(Decision so_far) {
  return so_far != Decision::HardBlock && so_far != Decision::Veto && so_far != Decision::Absorbed;
}

Decision combine(Decision higher, Decision lower, bool by_callout) {
  if (lower == Decision::None) return higher;
  if (higher != Decision::HardPermit) return lower;
  const bool permits = lower == Decision::SoftPermit || lower == Decision::HardPermit;
  if (permits || !by_callout) return higher;
  return lower == Decision::Absorbed ? lower : Decision::Veto;
}

Outcome model(const World& world) {
  Outcome out;
  std::vector<size_t> order(world.sublayers.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return world.sublayers[a] > world.sublayers[b]; });
  Decision decision = Decision::None;
  for (const size_t sublayer : order) {
    if (!may_still_be_asked(decision)) break;
    std::vector<size_t> filters;
    for (size_t i = 0; i < world.filters.size(); ++i) {
      const Spec& spec = world.filters[i];
      if (spec.sublayer != sublayer) continue;
      if (spec.remote_port && *spec.remote_port != world.remote_port) continue;
      filters.push_back(i);
    }
    std::stable_sort(filters.begin(), filters.end(), [&](size_t a, size_t b) {
      return world.filters[a].weight > world.filters[b].weight;
    });
    const bool right = decision != Decision::HardPermit;
    for (const size_t i : filters) {
      const Spec& spec = world.filters[i];
      Decision answer;
      if (spec.script) {
        if (spec.script->registered) out.asked.push_back({i, right});
        answer = of_callout(spec, right);
      } else if (spec.action == FWP_ACTION_BLOCK) {
        answer = Decision::HardBlock;
      } else {
        answer =
            hardened(Decision::SoftPermit, (spec.flags & FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0);
      }
      if (answer == Decision::None) continue;
      const bool by_callout = spec.script && spec.script->registered;
      decision = combine(decision, answer, by_callout);
      break;
    }
  }
  if (decision == Decision::Absorbed) {
    out.verdict = Verdict::Absorb;
  } else if (decision == Decision::SoftBlock || !may_still_be_asked(decision)) {
    out.verdict = Verdict::Block;
  }
  return out;
}

// --- the engine ----------------------------------------------------------------------------

struct Recorder {
  size_t filter;
  Says says;
  std::vector<Asked>* asked;
};

void play(Says says, FWPS_CLASSIFY_OUT0& out) {
  if (says == Says::Nothing) return;
  const bool permits = says == Says::Permit || says == Says::HardPermit;
  out.actionType = permits ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
  if (says == Says::Absorb || says == Says::AbsorbWithRight) {
    out.flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  }
  const bool clears = says == Says::HardPermit || says == Says::HardBlock || says == Says::Absorb;
  if (clears) out.rights &= ~UINT32{FWPS_RIGHT_ACTION_WRITE};
}

void NTAPI scripted(const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                    const void*, const FWPS_FILTER3* filter, UINT64, FWPS_CLASSIFY_OUT0* out) {
  const auto& recorder = *reinterpret_cast<const Recorder*>(filter->context);
  recorder.asked->push_back({recorder.filter, (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0});
  play(recorder.says, *out);
}

void add_to(Engine& engine, HANDLE session, const Spec& spec, size_t number, Recorder& recorder) {
  FWPM_FILTER0 source = testing::filter(kLayer, spec.action);
  source.subLayerKey = key(uint32_t(100 + spec.sublayer));
  source.flags = spec.flags;
  UINT64 weight = spec.weight;
  source.weight.type = FWP_UINT64;
  source.weight.uint64 = &weight;
  FWPM_FILTER_CONDITION0 condition{};
  if (spec.remote_port) {
    condition = testing::condition(FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_EQUAL, FWP_UINT16,
                                   *spec.remote_port);
    source.numFilterConditions = 1;
    source.filterCondition = &condition;
  }
  if (spec.script) {
    const GUID its_key = key(uint32_t(1000 + number));
    const FWPM_CALLOUT0 added = testing::callout(its_key, kLayer);
    RC_ASSERT(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr) == STATUS_SUCCESS);
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = its_key;
    functions.classifyFn = &scripted;
    if (spec.script->registered) {
      RC_ASSERT(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr) == STATUS_SUCCESS);
    }
    source.action.type = spec.script->kind;
    source.action.calloutKey = its_key;
    source.rawContext = reinterpret_cast<uintptr_t>(&recorder);
  }
  RC_ASSERT(engine.FwpmFilterAdd0(session, &source, nullptr, nullptr) == STATUS_SUCCESS);
}

Outcome engine_outcome(const World& world) {
  Logger quiet(stderr, LogLevel::Error);
  Engine engine(quiet);
  HANDLE session = nullptr;
  RC_ASSERT(engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session) == STATUS_SUCCESS);
  RC_ASSERT(engine.FwpmTransactionBegin0(session, 0) == STATUS_SUCCESS);
  for (size_t i = 0; i < world.sublayers.size(); ++i) {
    const FWPM_SUBLAYER0 added = testing::sublayer(key(uint32_t(100 + i)), world.sublayers[i]);
    RC_ASSERT(engine.FwpmSubLayerAdd0(session, &added, nullptr) == STATUS_SUCCESS);
  }
  Outcome out;
  std::vector<Recorder> recorders(world.filters.size());
  for (size_t i = 0; i < world.filters.size(); ++i) {
    const auto& script = world.filters[i].script;
    recorders[i] = {i, script ? script->says : Says::Nothing, &out.asked};
    add_to(engine, session, world.filters[i], i, recorders[i]);
  }
  RC_ASSERT(engine.FwpmTransactionCommit0(session) == STATUS_SUCCESS);
  testing::Datagram datagram;
  datagram.traffic.remote_port = world.remote_port;
  out.verdict = engine.classify(datagram.traffic, &datagram.indication.list, Depth::Datagram,
                                Depth::Datagram);
  for (size_t i = 0; i < world.filters.size(); ++i) {
    const GUID its_key = key(uint32_t(1000 + i));
    engine.FwpsCalloutUnregisterByKey0(&its_key);
  }
  return out;
}

// --- random worlds -------------------------------------------------------------------------

rc::Gen<Script> any_script() {
  return rc::gen::construct<Script>(
      rc::gen::element<FWP_ACTION_TYPE>(FWP_ACTION_CALLOUT_TERMINATING,
                                        FWP_ACTION_CALLOUT_INSPECTION, FWP_ACTION_CALLOUT_UNKNOWN),
      rc::gen::element(Says::Nothing, Says::Permit, Says::Block, Says::HardPermit, Says::HardBlock,
                       Says::Absorb, Says::AbsorbWithRight),
      rc::gen::weightedElement<bool>({{5, true}, {1, false}}));
}

Spec any_filter(size_t sublayers) {
  Spec spec;
  spec.sublayer = *rc::gen::inRange<size_t>(0, sublayers);
  spec.weight = *rc::gen::inRange<uint64_t>(0, 4);
  spec.flags = *rc::gen::element<uint32_t>(0, 0, FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT,
                                           FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED, 0x18);
  spec.action =
      *rc::gen::weightedElement<FWP_ACTION_TYPE>({{1, FWP_ACTION_BLOCK}, {3, FWP_ACTION_PERMIT}});
  if (*rc::gen::weightedElement<bool>({{3, true}, {1, false}})) spec.script = *any_script();
  if (*rc::gen::arbitrary<bool>()) spec.remote_port = *rc::gen::inRange<uint16_t>(67, 69);
  return spec;
}

RC_GTEST_PROP(ArbitrationModel, TheEngineDoesWhatTheRulesSay, ()) {
  World world;
  world.sublayers = *rc::gen::resize(5, rc::gen::nonEmpty(rc::gen::container<std::vector<uint16_t>>(
                                            rc::gen::inRange<uint16_t>(0, 3))));
  world.remote_port = *rc::gen::inRange<uint16_t>(67, 69);
  const auto count = *rc::gen::inRange<size_t>(0, 9);
  for (size_t i = 0; i < count; ++i) world.filters.push_back(any_filter(world.sublayers.size()));
  const Outcome expected = model(world);
  const Outcome got = engine_outcome(world);
  RC_TAG(expected.verdict == Verdict::Permit  ? "permit"
         : expected.verdict == Verdict::Block ? "block"
                                              : "absorb");
  RC_ASSERT(got.verdict == expected.verdict);
  RC_ASSERT(got.asked == expected.asked);
}

}  // namespace
}  // namespace hookline::filter
