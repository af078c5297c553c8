// Every exchange, and the hooks that come of it (the table of the callout guide): which, in which
// order, with which arguments.
#include <cstring>

#include "scripted_house.h"

namespace hookline::sim {
namespace {

using callout::Hook;

const Ipv4 kFirst{0x0A4D0064};  // 10.77.0.100

TEST(Contract, DiscoverAndRequest) {
  ScriptedHouse house;
  const Client client = client_of(1);
  EXPECT_EQ(house.after(client, kDiscoverMessage),
            (Hooks{"NewPkt", "Options", "Send", "Drop PROCESSED"}));
  EXPECT_EQ(
      house.after(client, select(kFirst)),
      (Hooks{"NewPkt", "Options", "Offer NEW DHCP 10.77.0.100 600 s", "Send", "Drop PROCESSED"}));
}

TEST(Contract, RenewalIsOld) {
  ScriptedHouse house;
  const Client client = client_of(1);
  ASSERT_EQ(house.bind(client), kFirst);
  EXPECT_EQ(
      house.after(client, typed(3), kFirst),
      (Hooks{"NewPkt", "Options", "Offer OLD DHCP 10.77.0.100 600 s", "Send", "Drop PROCESSED"}));
  // RFC 2131 4.3.2: INIT-REBOOT of the binding's client.
  EXPECT_EQ(
      house.after(client, typed(3, {{option::kRequestedAddress, address_value(kFirst)},
                                    {option::kLeaseTime, {0, 0, 0, 120}}})),
      (Hooks{"NewPkt", "Options", "Offer OLD DHCP 10.77.0.100 120 s", "Send", "Drop PROCESSED"}));
}

TEST(Contract, RapidCommitIsNew) {
  ScriptedHouse house;
  EXPECT_EQ(
      house.after(client_of(1), rapid()),
      (Hooks{"NewPkt", "Options", "Offer NEW DHCP 10.77.0.100 600 s", "Send", "Drop PROCESSED"}));
}

TEST(Contract, Nak) {
  ScriptedHouse house;
  const Ipv4 foreign{0x0A4E0005};
  EXPECT_EQ(
      house.after(client_of(1), typed(3, {{option::kRequestedAddress, address_value(foreign)}})),
      (Hooks{"NewPkt", "Options", "Del NACKED 10.78.0.5", "Send", "Drop PROCESSED"}));
  EXPECT_EQ(house.replies().at(0).type, load::MessageType::Nak);
}

TEST(Contract, Release) {
  ScriptedHouse house;
  const Client client = client_of(1);
  ASSERT_EQ(house.bind(client), kFirst);
  EXPECT_EQ(
      house.after(client, typed(7, {{option::kServerIdentifier, address_value(kServerAddress)}}),
                  kFirst),
      (Hooks{"NewPkt", "Options", "Del RELEASE 10.77.0.100", "Delete 10.77.0.100 02:00:01:00:00:01",
             "Drop PROCESSED"}));
}

TEST(Contract, DeclineOfABinding) {
  ScriptedHouse house;
  const Client client = client_of(1);
  ASSERT_EQ(house.bind(client), kFirst);
  EXPECT_EQ(
      house.after(client, typed(4, {{option::kRequestedAddress, address_value(kFirst)},
                                    {option::kServerIdentifier, address_value(kServerAddress)}})),
      (Hooks{"NewPkt", "Options", "Del DECLINE 10.77.0.100", "Delete 10.77.0.100 02:00:01:00:00:01",
             "Drop PROCESSED"}));
}

TEST(Contract, Inform) {
  ScriptedHouse house;
  EXPECT_EQ(house.after(client_of(1), typed(8), Ipv4{0x0A4D0009}),
            (Hooks{"NewPkt", "Options", "Send", "Drop PROCESSED"}));
}

TEST(Contract, Bootp) {
  ScriptedHouse house;
  const Client client = client_of(1);
  bool message_type = true;
  script(0).options = [&](const DHCP_SERVER_OPTIONS& o) {
    message_type = o.MessageType != nullptr;
  };
  EXPECT_EQ(house.after(client, {}),
            (Hooks{"NewPkt", "Options", "Offer NEW BOOTP 10.77.0.100 4294967295 s", "Send",
                   "Drop PROCESSED"}));
  EXPECT_FALSE(message_type);
  EXPECT_EQ(house.after(client, {}),
            (Hooks{"NewPkt", "Options", "Offer OLD BOOTP 10.77.0.100 4294967295 s", "Send",
                   "Drop PROCESSED"}));
}

TEST(Contract, AConflictComesBeforeTheOffer) {
  Random random{1};
  SimProbe probe(random);
  probe.squat(kFirst, 0);
  const std::string config = std::string(kOffice) + "conflict-detection = true\n";
  ScriptedHouse house(config.c_str(), 1, &probe);
  house.mark();
  house.say(client_of(1), kDiscoverMessage);
  for (int i = 0; i < 10; ++i) house.run(), house.pass(1);
  EXPECT_EQ(house.hooks(),
            (Hooks{"NewPkt", "Options", "Del CONFLICT 10.77.0.100", "Send", "Drop PROCESSED"}));
}

TEST(Contract, ExpiryAndTheOperatorDelete) {
  ScriptedHouse house;
  ASSERT_EQ(house.bind(client_of(1)), kFirst);
  ASSERT_EQ(house.bind(client_of(2)), Ipv4{kFirst.value + 1});
  ASSERT_EQ(house.bind(client_of(3)), Ipv4{kFirst.value + 2});
  // Still there when the hook comes.
  bool there = true;
  script(0).any = [&](Event& event) {
    if (event.hook != Hook::DeleteClient) return;
    const auto lease = house.core->engine().find(Ipv4{event.address});
    there = there && lease && lease->state == LeaseState::Active;
  };
  ASSERT_TRUE(house.core->release_lease(kFirst));
  ASSERT_TRUE(house.core->delete_lease(Ipv4{kFirst.value + 1}));
  EXPECT_EQ(house.hooks(), (Hooks{"Delete 10.77.0.100 02:00:01:00:00:01",
                                  "Delete 10.77.0.101 02:00:01:00:00:02"}));
  house.pass(602);
  house.run();
  EXPECT_EQ(house.hooks(), Hooks{"Delete 10.77.0.102 02:00:01:00:00:03"});
  EXPECT_TRUE(there);
  // What has been deleted already is not deleted again.
  ASSERT_TRUE(house.core->delete_lease(Ipv4{kFirst.value + 2}));
  EXPECT_EQ(house.hooks(), Hooks{});
  script(0).any = nullptr;
}

TEST(Contract, ControlCodes) {
  ScriptedHouse house;
  EXPECT_EQ(script(0).events.at(0).text(), "Control START");
  house.core->gate().paused = true;
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage),
            (Hooks{"Control PAUSE", "NewPkt", "Drop PAUSED", "Drop PROCESSED"}));
  house.core->gate().paused = false;
  house.run();
  EXPECT_EQ(house.hooks(), Hooks{"Control CONTINUE"});
  // A packet that is still inside when the server stops ends first.
  house.wire.set_queue_full(true);
  house.say(client_of(1), kDiscoverMessage);
  house.core->turn();
  house.stop();
  EXPECT_EQ(house.hooks(), (Hooks{"NewPkt", "Options", "Send", "Drop PROCESSED", "Control STOP"}));
}

// --- arguments and buffers ------------------------------------------------------------------

TEST(Contract, EveryHookGetsTheRequestAddressAndContext) {
  ScriptedHouse house;
  const Client client = client_of(1);
  const std::vector<uint8_t> sent = message(client, rapid());
  int owned = 0;
  script(0).new_packet = [&](LPBYTE*, DWORD*, LPVOID* context, LPBOOL) { *context = &owned; };
  house.after(client, rapid());
  size_t seen = 0;
  for (const Event& event : script(0).events) {
    if (event.hook == Hook::Control) continue;
    ++seen;
    EXPECT_EQ(event.context, event.hook == Hook::NewPkt ? nullptr : &owned) << event.text();
    if (event.hook != Hook::HandleOptions) {
      EXPECT_EQ(event.address, kServerAddress.value);
    }
    if (event.hook == Hook::PktSend) {
      EXPECT_EQ(event.code, DHCP_SEND_PACKET + 0u);
      EXPECT_EQ(event.bytes.at(0), 2) << "BOOTREPLY";
      EXPECT_EQ(Ipv4::load(&event.bytes.at(16)), kFirst);
    } else {
      EXPECT_EQ(event.bytes, sent) << event.text();
    }
  }
  EXPECT_EQ(seen, 5u);
}

TEST(Contract, EditsInNewPktAreWhatTheServerDecodes) {
  ScriptedHouse house;
  // In place: another client. Longer, too: 200 bytes of padding.
  script(0).new_packet = [](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    (*packet)[33] = 0x77;
    std::fill_n(*packet + *size, 200, 0);
    *size += 200;
  };
  EXPECT_EQ(house.after(client_of(1), rapid()).size(), 5u);
  const auto lease = house.core->engine().find(kFirst);
  ASSERT_TRUE(lease);
  EXPECT_EQ(to_hex(lease->hardware_address, ':'), "02:00:01:00:00:77");
  EXPECT_EQ(script(0).events.back().bytes.size(), message(client_of(1), rapid()).size() + 200);
  // Swapped: garbage, which is then INVALID.
  static std::vector<uint8_t> own(50, 1);
  script(0).new_packet = [](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    *packet = own.data();
    *size = 50;
  };
  EXPECT_EQ(house.after(client_of(2), rapid()),
            (Hooks{"NewPkt", "Drop INVALID", "Drop PROCESSED"}));
}

TEST(Contract, EditsInPktSendLeave) {
  ScriptedHouse house;
  script(0).send = [](LPBYTE* packet, DWORD* size) {
    static std::vector<uint8_t> own;
    own.assign(*packet, *packet + *size);
    own.back() = option::kEnd;
    (own[108] = 'p'), (own[109] = 'x'), (own[110] = 'e'), (own[111] = 0);  // file
    own[16 + 3] = 200;                                                     // yiaddr
    *packet = own.data();
  };
  house.replies();
  house.after(client_of(1), rapid());
  const auto sent = house.wire.take_sent();
  ASSERT_EQ(sent.size(), 1u);
  load::Reply reply;
  EXPECT_EQ(load::read_reply(sent[0], false, reply), "") << "lengths and checksums follow";
  EXPECT_EQ(reply.yiaddr.text(), "10.77.0.200");
  EXPECT_EQ(Ipv4::load(&sent[0][30]).text(), "10.77.0.200") << "and so does the destination";
  EXPECT_EQ(sent[0][42 + 108], 'p');
}

TEST(Contract, SizeZeroInPktSendSuppressesTheReply) {
  ScriptedHouse house;
  script(0).send = [](LPBYTE*, DWORD* size) { *size = 0; };
  house.replies();
  EXPECT_EQ(
      house.after(client_of(1), rapid()),
      (Hooks{"NewPkt", "Options", "Offer NEW DHCP 10.77.0.100 600 s", "Send", "Drop PROCESSED"}));
  EXPECT_TRUE(house.wire.take_sent().empty());
  EXPECT_EQ(house.core->counters().replies_suppressed.value(), 1u);
  EXPECT_TRUE(house.core->engine().find(kFirst)) << "a committed lease stays";
}

std::string text_of(const CHAR* text, DWORD size) { return std::string(text, size); }

TEST(Contract, AllOptionFields) {
  ScriptedHouse house;
  Options options = typed(1);
  const auto text = [](std::string_view t) { return std::vector<uint8_t>(t.begin(), t.end()); };
  options.push_back({1, address_value(Ipv4{0xFFFFFF00})});
  options.push_back({3, address_value(Ipv4{0x0A4D0002})});
  options.push_back({12, text("host")});
  options.push_back({43, {94, 0, 95, 3, 'c', 'o', 'm'}});
  options.push_back({50, address_value(Ipv4{0x0A4D0065})});
  options.push_back({51, {0, 0, 1, 44}});
  options.push_back({52, {3}});
  options.push_back({55, {1, 3, 6}});
  options.push_back({60, text("MSFT 5.0")});
  options.push_back({77, text("class")});
  options.push_back({81, {5, 255, 255, 'f', 'q'}});
  options.push_back({54, address_value(Ipv4{0x0A4D0001})});
  bool called = false;
  script(0).options = [&](const DHCP_SERVER_OPTIONS& o) {
    called = true;
    EXPECT_EQ(*o.MessageType, 1);
    EXPECT_EQ(load_be32(reinterpret_cast<uint8_t*>(o.SubnetMask)), 0xFFFFFF00u);
    EXPECT_EQ(load_be32(reinterpret_cast<uint8_t*>(o.RequestedAddress)), 0x0A4D0065u);
    EXPECT_EQ(load_be32(reinterpret_cast<uint8_t*>(o.RequestLeaseTime)), 300u);
    EXPECT_EQ(*o.OverlayFields, 3);
    EXPECT_EQ(load_be32(reinterpret_cast<uint8_t*>(o.RouterAddress)), 0x0A4D0002u);
    EXPECT_EQ(load_be32(reinterpret_cast<uint8_t*>(o.Server)), 0x0A4D0001u);
    EXPECT_EQ(to_hex({o.ParameterRequestList, o.ParameterRequestListLength}), "010306");
    EXPECT_EQ(text_of(o.MachineName, o.MachineNameLength), "host");
    EXPECT_EQ(o.ClientHardwareAddressType, 1);
    EXPECT_EQ(to_hex({o.ClientHardwareAddress, o.ClientHardwareAddressLength}), "020001000001");
    EXPECT_EQ(text_of(o.ClassIdentifier, o.ClassIdentifierLength), "class");
    EXPECT_EQ(text_of(reinterpret_cast<CHAR*>(o.VendorClass), o.VendorClassLength), "MSFT 5.0");
    EXPECT_EQ(o.DNSFlags, 5u);
    EXPECT_EQ(text_of(reinterpret_cast<CHAR*>(o.DNSName), o.DNSNameLength), "fq");
    EXPECT_EQ(o.DSDomainNameRequested, 1);
    EXPECT_EQ(text_of(o.DSDomainName, o.DSDomainNameLen), "com");
    EXPECT_EQ(o.ScopeId, nullptr);
  };
  house.after(client_of(1), options);
  EXPECT_TRUE(called);
}

TEST(Contract, AbsentAndMalformedOptionsAreNull) {
  ScriptedHouse house;
  bool called = false;
  script(0).options = [&](const DHCP_SERVER_OPTIONS& o) {
    called = true;
    DHCP_SERVER_OPTIONS left;
    std::memcpy(&left, &o, sizeof left);
    left.MessageType = nullptr;
    left.ClientHardwareAddress = nullptr;
    left.ClientHardwareAddressType = left.ClientHardwareAddressLength = 0;
    const std::vector<uint8_t> zeros(sizeof left, 0);
    EXPECT_EQ(std::memcmp(&left, zeros.data(), sizeof left), 0) << "padding included";
  };
  house.after(client_of(1), typed(1, {{51, {1, 2, 3}}, {50, {1}}, {43, {94, 0}}, {81, {}}}));
  EXPECT_TRUE(called);
}

TEST(Contract, JoinedOptionsAreContiguous) {
  ScriptedHouse house;
  std::vector<uint8_t> name(400);
  for (size_t i = 0; i < name.size(); ++i) name[i] = static_cast<uint8_t>('a' + i % 26);
  std::string seen;
  script(0).options = [&](const DHCP_SERVER_OPTIONS& o) {
    seen = text_of(o.ClassIdentifier, o.ClassIdentifierLength);
  };
  house.after(client_of(1), typed(1, {{77, name}}));
  EXPECT_EQ(seen, std::string(name.begin(), name.end()));
}

// --- chaining by the server -----------------------------------------------------------------

TEST(Contract, EachCalloutOfAChainHasItsOwnContext) {
  ScriptedHouse house(kOffice, 3);
  int owned[3];
  for (int n = 0; n < 3; ++n) {
    script(n).new_packet = [&owned, n](LPBYTE*, DWORD*, LPVOID* context, LPBOOL) {
      EXPECT_EQ(*context, nullptr);
      *context = &owned[n];
    };
  }
  house.after(client_of(1), rapid());
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(script(n).events.size(), 6u);
    for (const Event& event : script(n).events) {
      const bool has_context = event.hook != Hook::NewPkt && event.hook != Hook::Control;
      EXPECT_EQ(event.context, has_context ? &owned[n] : nullptr);
    }
  }
}

TEST(Contract, WhoeverRefusesEndsThePacketForThoseBehind) {
  ScriptedHouse house(kOffice, 3);
  script(1).new_packet = [](LPBYTE*, DWORD*, LPVOID*, LPBOOL process_it) { *process_it = FALSE; };
  const Hooks refused{"NewPkt", "Drop GEN_FAILURE", "Drop PROCESSED"};
  house.mark();
  house.say(client_of(1), kDiscoverMessage);
  house.run();
  EXPECT_EQ(house.hooks(0), refused);
  EXPECT_EQ(house.hooks(1), refused);
  EXPECT_EQ(house.hooks(2), Hooks{});
  EXPECT_EQ(house.dropped(Drop::RefusedByCallout), 1u);
}

TEST(Contract, EditsGoDownTheChainAndEverybodySeesTheResult) {
  ScriptedHouse house(kOffice, 3);
  const auto append = [](uint8_t byte) {
    return [byte](LPBYTE* packet, DWORD* size) { (*packet)[(*size)++] = byte; };
  };
  script(0).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    append(1)(packet, size);
  };
  script(2).new_packet = [&](LPBYTE* packet, DWORD* size, LPVOID*, LPBOOL) {
    append(3)(packet, size);
  };
  script(0).send = append(4);
  script(1).send = append(5);
  const size_t size = message(client_of(1), rapid()).size();
  house.after(client_of(1), rapid());
  const auto sizes = [&](int n, Hook hook) {
    for (const Event& e : script(n).events) {
      if (e.hook == hook) return e.bytes.size();
    }
    return size_t{0};
  };
  EXPECT_EQ(sizes(0, Hook::NewPkt), size);
  EXPECT_EQ(sizes(1, Hook::NewPkt), size + 1);
  EXPECT_EQ(sizes(2, Hook::NewPkt), size + 1);
  for (int n = 0; n < 3; ++n) {
    EXPECT_EQ(sizes(n, Hook::HandleOptions), size + 2) << n;
    EXPECT_EQ(sizes(n, Hook::AddressOffer), size + 2) << n;
    EXPECT_EQ(sizes(n, Hook::PktDrop), size + 2) << n;
  }
  EXPECT_EQ(sizes(1, Hook::PktSend), sizes(0, Hook::PktSend) + 1);
  EXPECT_EQ(sizes(2, Hook::PktSend), sizes(0, Hook::PktSend) + 2);
}

// --- trace ----------------------------------------------------------------------------------

TEST(Contract, ATraceShowsWhatHooksChanged) {
  ScriptedHouse house;
  script(0).new_packet = [](LPBYTE* packet, DWORD*, LPVOID*, LPBOOL) { (*packet)[9] = 7; };
  script(0).send = [](LPBYTE* packet, DWORD*) { (*packet)[10] = 1; };
  auto trace = house.core->traces().open("02:00:01:00:00:01");
  ASSERT_TRUE(trace);
  house.after(client_of(1), kDiscoverMessage);
  house.after(client_of(2), kDiscoverMessage);
  std::string all, line;
  while (house.core->traces().next(*trace, line)) all += line.substr(line.find("xid")) + "\n";
  const std::string size = std::to_string(message(client_of(1), kDiscoverMessage).size());
  EXPECT_NE(all.find("received " + size +
                     " bytes\nxid=10000001 edited   by script0 in "
                     "DhcpNewPktHook: " +
                     size + " bytes, @9: 00 -> 07\n"),
            std::string::npos)
      << all;
  EXPECT_NE(all.find("DhcpPktSendHook"), std::string::npos) << all;
  EXPECT_NE(all.find("@10: 00 -> 01\n"), std::string::npos) << all;
  EXPECT_EQ(all.find("xid=10000002"), std::string::npos) << all;
  house.core->traces().close(*trace);
}

// --- reload ---------------------------------------------------------------------------------

TEST(Contract, AReloadLosesNoPacket) {
  ScriptedHouse house;
  house.wire.set_queue_full(true);
  house.say(client_of(1), kDiscoverMessage);
  house.core->turn();
  house.say(client_of(2), kDiscoverMessage);
  const auto load = [&]() -> Result<callout::Hosts> { return house.make_hosts(house, 1); };
  EXPECT_FALSE(house.core->replace_callouts(load)) << "the first packet is still inside";
  house.core->turn();
  EXPECT_EQ(house.wire.arriving(), 1u) << "nothing more is received";
  house.wire.set_queue_full(false);
  house.core->turn();
  house.hooks();
  const auto replaced = house.core->replace_callouts(load);
  ASSERT_TRUE(replaced);
  EXPECT_TRUE(*replaced);
  house.run();
  EXPECT_EQ(house.hooks(), (Hooks{"Control STOP", "Control START", "NewPkt", "Options", "Send",
                                  "Drop PROCESSED"}));
  EXPECT_EQ(house.replies().size(), 2u);
}

TEST(Contract, AFailedReloadLeavesNoCallouts) {
  ScriptedHouse house;
  const auto replaced =
      house.core->replace_callouts([] { return fail(ErrorKind::Missing, "no such file"); });
  ASSERT_TRUE(replaced);
  EXPECT_FALSE(*replaced);
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage), Hooks{});
  EXPECT_EQ(house.replies().size(), 1u) << "the server serves";
}

}  // namespace
}  // namespace hookline::sim
