// hookline/packet.h against a model, and against hostile bytes.

#include <gtest/gtest.h>
#include <hookline/packet.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;
using Numbers = std::vector<uint32_t>;
using Option = std::pair<uint8_t, Bytes>;

constexpr uint8_t kGuard = 0xA5;

// A packet between guards: whoever writes outside is seen.
struct Guarded {
  std::array<uint8_t, 64 + HOOKLINE_PACKET_CAPACITY + 64> bytes;
  uint32_t size = 0;

  Guarded() { bytes.fill(kGuard); }
  uint8_t* packet() { return bytes.data() + 64; }
  bool intact() const {
    const auto guard = [](uint8_t byte) { return byte == kGuard; };
    return std::all_of(bytes.begin(), bytes.begin() + 64, guard) &&
           std::all_of(bytes.end() - 64, bytes.end(), guard) && size <= HOOKLINE_PACKET_CAPACITY;
  }
  void empty_message(uint32_t length) {
    std::fill_n(packet(), HOOKLINE_PACKET_CAPACITY, 0);
    hookline_put32(packet() + HOOKLINE_COOKIE, 0x63825363);
    packet()[HOOKLINE_OPTIONS] = 255;
    size = length;
  }
};

std::vector<Option> options_of(Guarded& guarded) {
  std::vector<Option> found;
  hookline_options all = hookline_options_of(guarded.packet(), guarded.size);
  hookline_option option;
  while (hookline_option_next(&all, &option)) {
    found.emplace_back(option.code, Bytes(option.value, option.value + option.length));
  }
  return found;
}

Bytes read(Guarded& guarded, uint8_t code, bool* found) {
  Bytes value(HOOKLINE_PACKET_CAPACITY);
  uint32_t length = HOOKLINE_PACKET_CAPACITY;
  *found = hookline_option_read(guarded.packet(), guarded.size, code, value.data(), &length) != 0;
  value.resize(length);
  return value;
}

RC_GTEST_PROP(Packet, SetAppendRemoveAgreeWithAModel, ()) {
  Guarded guarded;
  guarded.empty_message(*rc::gen::elementOf(Numbers{241, 300, 548, 4096}));
  std::vector<Option> model;
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const uint8_t code = *rc::gen::inRange<uint8_t>(54, 60);
    const size_t length = *rc::gen::weightedElement<size_t>(
        {{8, 4}, {4, 0}, {3, 255}, {3, 256}, {2, 600}, {1, 1500}});
    const Bytes value(length, *rc::gen::arbitrary<uint8_t>());
    const int what = *rc::gen::inRange(0, 3);
    const Guarded before = guarded;
    const auto same = [&](const Option& o) { return o.first == code; };
    if (what == 0) {
      if (hookline_option_append(guarded.packet(), &guarded.size, code, value.data(),
                                 static_cast<uint32_t>(length))) {
        model.emplace_back(code, value);
      } else {
        RC_ASSERT(before.bytes == guarded.bytes && before.size == guarded.size);
      }
    } else if (what == 1) {
      if (hookline_option_set(guarded.packet(), &guarded.size, code, value.data(),
                              static_cast<uint32_t>(length))) {
        model.erase(std::remove_if(model.begin(), model.end(), same), model.end());
        model.emplace_back(code, value);
      } else {
        RC_ASSERT(before.bytes == guarded.bytes && before.size == guarded.size);
      }
    } else {
      const bool had = std::any_of(model.begin(), model.end(), same);
      RC_ASSERT(had == (hookline_option_remove(guarded.packet(), &guarded.size, code) != 0));
      model.erase(std::remove_if(model.begin(), model.end(), same), model.end());
    }
    RC_ASSERT(guarded.intact());
  }
  for (uint8_t code = 54; code < 60; ++code) {
    Bytes whole;
    bool expected = false;
    for (const Option& option : model) {
      if (option.first == code) {
        whole.insert(whole.end(), option.second.begin(), option.second.end());
        expected = true;
      }
    }
    bool found = false;
    const Bytes value = read(guarded, code, &found);
    RC_ASSERT(found == expected);
    RC_ASSERT(value == whole);
  }
}

RC_GTEST_PROP(Packet, HostileBytesNeverLeadOutside, ()) {
  Guarded guarded;
  guarded.empty_message(*rc::gen::inRange<uint32_t>(0, HOOKLINE_PACKET_CAPACITY + 1));
  const auto noise = *rc::gen::container<Bytes>(
      *rc::gen::inRange<size_t>(0, 400),
      rc::gen::weightedOneOf<uint8_t>({{3, rc::gen::arbitrary<uint8_t>()},
                                       {1, rc::gen::elementOf(Bytes{0, 255, 52, 1, 2, 3})}}));
  const uint32_t at = *rc::gen::elementOf(
      Numbers{HOOKLINE_SNAME, HOOKLINE_FILE, HOOKLINE_OPTIONS, HOOKLINE_PACKET_CAPACITY - 400});
  std::copy(noise.begin(), noise.end(), guarded.packet() + at);
  if (guarded.size > HOOKLINE_OPTIONS + 3) {
    const uint8_t overload[] = {52, 1, *rc::gen::inRange<uint8_t>(0, 4)};
    std::copy(overload, overload + 3, guarded.packet() + HOOKLINE_OPTIONS);
  }
  const uint8_t code = *rc::gen::arbitrary<uint8_t>();
  for (const Option& option : options_of(guarded)) {
    RC_ASSERT(option.first != 0 && option.first != 255);
  }
  bool found = false;
  read(guarded, code, &found);
  hookline_option sub;
  hookline_suboption_find(noise.data(), static_cast<uint32_t>(noise.size()), code, &sub);
  hookline_option_set(guarded.packet(), &guarded.size, code, "abc", 3);
  RC_ASSERT(guarded.intact());
  hookline_option_append(guarded.packet(), &guarded.size, code, "abc", 3);
  RC_ASSERT(guarded.intact());
  if (hookline_option_remove(guarded.packet(), &guarded.size, code)) {
    hookline_option option;
    RC_ASSERT(!hookline_option_find(guarded.packet(), guarded.size, code, &option));
  }
  RC_ASSERT(guarded.intact());
}

TEST(Packet, OptionsContinueInFileAndSname) {
  Guarded guarded;
  guarded.empty_message(300);
  const uint8_t three = 3;
  ASSERT_TRUE(hookline_option_append(guarded.packet(), &guarded.size, 52, &three, 1));
  const uint8_t in_file[] = {67, 2, 'a', 'b', 12, 1, 'x', 255};
  const uint8_t in_sname[] = {67, 1, 'c', 255};
  std::memcpy(guarded.packet() + HOOKLINE_FILE, in_file, sizeof in_file);
  std::memcpy(guarded.packet() + HOOKLINE_SNAME, in_sname, sizeof in_sname);
  bool found = false;
  EXPECT_EQ(read(guarded, 67, &found), (Bytes{'a', 'b', 'c'}));
  EXPECT_TRUE(hookline_option_remove(guarded.packet(), &guarded.size, 67));
  read(guarded, 67, &found);
  EXPECT_FALSE(found);
  EXPECT_EQ(read(guarded, 12, &found), (Bytes{'x'}));
}

TEST(Packet, FillsTheBufferToItsLastByteAndNoFurther) {
  Guarded guarded;
  guarded.empty_message(300);
  const Bytes value(HOOKLINE_PACKET_CAPACITY, 7);
  const uint32_t room = HOOKLINE_PACKET_CAPACITY - HOOKLINE_OPTIONS - 1;  // the end mark
  const uint32_t most = room - 2 * ((room + 256) / 257);
  EXPECT_FALSE(hookline_option_append(guarded.packet(), &guarded.size, 43, value.data(), most + 1));
  EXPECT_EQ(guarded.size, 300u);
  EXPECT_TRUE(hookline_option_append(guarded.packet(), &guarded.size, 43, value.data(), most));
  EXPECT_EQ(guarded.size, 4096u);
  EXPECT_EQ(guarded.packet()[4095], 255);
  EXPECT_TRUE(guarded.intact());
  EXPECT_FALSE(hookline_option_append(guarded.packet(), &guarded.size, 44, "", 0));
}

TEST(Packet, RefusesWhatItCannotDo) {
  Guarded guarded;
  guarded.empty_message(300);
  uint8_t* packet = guarded.packet();
  EXPECT_FALSE(hookline_option_set(packet, &guarded.size, 0, "a", 1));
  EXPECT_FALSE(hookline_option_set(packet, &guarded.size, 255, "a", 1));
  EXPECT_FALSE(hookline_option_set(packet, &guarded.size, 12, packet + 28, 6));
  EXPECT_FALSE(hookline_option_remove(packet, &guarded.size, 12));
  packet[HOOKLINE_OPTIONS] = 12;
  packet[HOOKLINE_OPTIONS + 1] = 200;
  EXPECT_FALSE(hookline_option_append(packet, &guarded.size, 15, "a", 1)) << "malformed";
  packet[HOOKLINE_COOKIE] = 0;
  EXPECT_FALSE(hookline_option_append(packet, &guarded.size, 15, "a", 1)) << "no cookie";
  EXPECT_EQ(guarded.size, 300u);
}

TEST(Packet, FindsSubOptionsAndTheMessageType) {
  Guarded guarded;
  guarded.empty_message(300);
  const uint8_t type = 3;
  EXPECT_EQ(hookline_message_type(guarded.packet(), guarded.size), 0);
  EXPECT_TRUE(hookline_option_set(guarded.packet(), &guarded.size, 53, &type, 1));
  EXPECT_EQ(hookline_message_type(guarded.packet(), guarded.size), 3);
  const uint8_t relay[] = {1, 2, 'c', 'i', 2, 1, 'r', 9, 9};
  hookline_option sub;
  ASSERT_TRUE(hookline_suboption_find(relay, sizeof relay, 2, &sub));
  EXPECT_EQ(sub.value[0], 'r');
  EXPECT_FALSE(hookline_suboption_find(relay, sizeof relay, 9, &sub)) << "it runs out";
}

}  // namespace
