#include "server/parked.h"

#include <algorithm>

#include "base/check.h"

namespace hookline::server {

namespace {

constexpr uint8_t kEthernet = 1;

// On the link that the request came in by; or beyond it, when a relay, or the client itself
// (RFC 3011), says that the address belongs elsewhere.
io::AddressQuestion question_for(const Packet& packet) {
  io::AddressQuestion question;
  question.address = packet.grant.address;
  const Message& message = packet.message;
  if (message.giaddr || message.options.has(option::kSubnetSelection)) return question;
  question.ifindex = packet.ingress.ifindex;
  question.vlan = packet.ingress.vlan;
  if (packet.ingress.link != nullptr) question.source_mac = packet.ingress.link->mac;
  return question;
}

std::optional<MacAddress> mac_of(const Message& message) {
  const Bytes address = message.hardware_address();
  MacAddress mac;
  if (message.hardware_type != kEthernet || address.size() != mac.octets.size()) return {};
  std::copy(address.begin(), address.end(), mac.octets.begin());
  return mac;
}

}  // namespace

Parked::Parked(io::AddressProbe* prober) : prober_(prober) {
  waiting_.reserve(kParkedMax);
  questions_.reserve(kParkedMax);
  results_.reserve(kParkedMax);
}

Parked::~Parked() { CHECK(waiting_.empty(), "every parked packet ends before the server does"); }

void Parked::configure(const LeaseConfig& leases) {
  attempts_ = leases.conflict_attempts;
  wait_ns_ = leases.conflict_wait_ns;
  forget_all();
  for (Waiting& waiting : waiting_) {
    waiting.request.packet().grant = Grant{};  // it points into what was before
    waiting.ready = true;
  }
  ready_ = waiting_.size();
}

const Parked::Question* Parked::find(Ipv4 address) const {
  const auto same = [&](const Question& q) { return q.asked.address == address && !q.ended; };
  const auto found = std::ranges::find_if(questions_, same);
  return found == questions_.end() ? nullptr : &*found;
}

bool Parked::park(Request& request, Now now) {
  if (waiting_.size() == kParkedMax) return false;
  const Packet& packet = request.packet();
  const Ipv4 address = packet.grant.address;
  if (find(address) == nullptr) {
    Question question;
    question.asked = question_for(packet);
    question.client = mac_of(packet.message);
    question.attempts_left = attempts_;
    ask(question, now);
    questions_.push_back(question);
  }
  waiting_.push_back({std::move(request), address});
  return true;
}

void Parked::ask(Question& question, Now now) {
  --question.attempts_left;
  const bool asked = prober_ != nullptr && prober_->ask(question.asked) == 0;
  if (!asked) question.attempts_left = 0;
  question.due_ns = asked ? now.boot_ns + wait_ns_ : now.boot_ns;
  next_due_ns_ = std::min(next_due_ns_, question.due_ns);
}

std::span<const ProbeResult> Parked::poll(Now now) {
  results_.clear();
  if (questions_.empty()) return results_;
  if (prober_ != nullptr) take_answers();
  if (now.boot_ns >= next_due_ns_) give_up_or_ask_again(now);
  forget_ended();
  return results_;
}

void Parked::take_answers() {
  const size_t count = prober_->answers(answers_);
  for (const io::AddressAnswer& answer : std::span(answers_.data(), count)) {
    for (Question& question : questions_) {
      if (question.ended || question.asked.address != answer.address ||
          question.asked.ifindex != answer.ifindex) {
        continue;
      }
      if (answer.mac && answer.mac == question.client) continue;
      end(question, true, answer.mac);
    }
  }
}

void Parked::give_up_or_ask_again(Now now) {
  next_due_ns_ = kNothingDue;
  for (Question& question : questions_) {
    if (question.ended) continue;
    if (now.boot_ns < question.due_ns) {
      next_due_ns_ = std::min(next_due_ns_, question.due_ns);
    } else if (question.attempts_left != 0) {
      ask(question, now);
    } else {
      end(question, false, std::nullopt);
    }
  }
}

void Parked::end(Question& question, bool in_use, std::optional<MacAddress> user) {
  question.ended = true;
  ProbeResult result{question.asked.address, in_use, user, nullptr};
  for (Waiting& waiting : waiting_) {
    if (waiting.ready || waiting.address != result.address) continue;
    waiting.ready = true;
    ++ready_;
    if (result.packet == nullptr) result.packet = &waiting.request.packet();
  }
  CHECK(result.packet != nullptr, "nothing is asked that nobody waits for");
  results_.push_back(result);
}

void Parked::forget_ended() {
  std::erase_if(questions_, [](const Question& q) { return q.ended; });
  if (!questions_.empty()) return;
  next_due_ns_ = kNothingDue;
  if (prober_ != nullptr) prober_->rest();
}

void Parked::take_ready(Batch<Request>& batch, size_t max) {
  if (ready_ == 0) return;
  size_t kept = 0;
  for (Waiting& waiting : waiting_) {
    if (waiting.ready && batch.size() < max) {
      batch.push(std::move(waiting.request));
      --ready_;
    } else {
      if (&waiting_[kept] != &waiting) waiting_[kept] = std::move(waiting);
      ++kept;
    }
  }
  waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(kept), waiting_.end());
}

void Parked::links_changed(const io::LinkTable& table, Endings& endings) {
  size_t kept = 0;
  for (Waiting& waiting : waiting_) {
    Ingress& ingress = waiting.request.packet().ingress;
    ingress.link = table.find(ingress.ifindex);
    if (ingress.link == nullptr) {
      if (waiting.ready) --ready_;
      endings.drop(std::move(waiting.request), Drop::InterfaceWithdrawn);
    } else {
      if (&waiting_[kept] != &waiting) waiting_[kept] = std::move(waiting);
      ++kept;
    }
  }
  waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(kept), waiting_.end());
  forget_unwanted();
}

// Nobody waits any more. The engine is not told: its offer ends by itself.
void Parked::forget_unwanted() {
  for (Question& question : questions_) {
    const auto wants = [&](const Waiting& w) {
      return !w.ready && w.address == question.asked.address;
    };
    if (std::ranges::none_of(waiting_, wants)) question.ended = true;
  }
  if (!questions_.empty()) forget_ended();
}

void Parked::drop_all(Endings& endings, Drop reason) {
  for (Waiting& waiting : waiting_) endings.drop(std::move(waiting.request), reason);
  waiting_.clear();
  ready_ = 0;
  forget_all();
}

void Parked::forget_all() {
  for (Question& question : questions_) question.ended = true;
  if (!questions_.empty()) forget_ended();
}

}  // namespace hookline::server
