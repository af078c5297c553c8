// Every bound of the server, by name. A queue, pool or table without a line here is a bug
// (invariant 6); the test named beside a limit reaches it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hookline {

// --- packets -------------------------------------------------------------------------------
// The buffer that callouts are promised: "4Kb" (DhcpNewPktHook, DhcpPktSendHook).
inline constexpr size_t kPacketBytesMax = 4096;
// The fixed part of a BOOTP message and the magic cookie: RFC 951, RFC 2131 section 2.
inline constexpr size_t kBootpFixedBytes = 236;
inline constexpr size_t kDhcpHeaderBytes = 240;
// RFC 951: BOOTP relays and clients may drop anything shorter than 300 bytes.
inline constexpr size_t kReplyBytesMin = 300;
// Ethernet with one VLAN tag, IPv4 with all options, UDP.
inline constexpr size_t kHeaderBytesMax = 14 + 4 + 60 + 8;
inline constexpr size_t kFrameBytesMax = kHeaderBytesMax + kPacketBytesMax;
// Packets in the server at once: being processed, parked, or waiting for their completion.
inline constexpr size_t kPacketsMax = 2048;
// Packets of one turn: large enough to fill a commit, small enough that a turn stays under 1 ms.
inline constexpr size_t kTurnPacketsMax = 256;
static_assert(kTurnPacketsMax <= kPacketsMax);

// --- network -------------------------------------------------------------------------------
inline constexpr size_t kInterfacesMax = 256;
inline constexpr size_t kNeighboursMax = 65536;
// Destinations whose route is remembered; more are asked of the kernel again.
inline constexpr size_t kRoutesMax = 16384;
// Replies that the injector holds: waiting for a full interface queue, or for their completion to
// be taken.
inline constexpr size_t kInjectionsMax = kPacketsMax;
// How long a reply waits for a full interface queue before it completes as failed.
inline constexpr int64_t kInjectDeadlineNs = 200'000'000;
// How often one packet may be injected, by whomever: two drivers that answer each other's
// injections would else go on for ever.
inline constexpr size_t kInjectionHopsMax = 16;
// Packets that drivers have injected and that are still under way, or whose bytes somebody holds.
inline constexpr size_t kDriverInjectionsMax = 4096;
// Packets that one call injects.
inline constexpr size_t kInjectionChainMax = 256;
// The largest frame that a driver injects: a jumbo frame with a VLAN tag.
inline constexpr size_t kInjectedFrameBytesMax = 9216 + 14 + 4;
// Injection handles that exist at once.
inline constexpr size_t kInjectionHandlesMax = 1024;
// How many packets a handle may inject in a second: so many, and for each frame that came in or
// reply that left some more. Loops through deep copies, which have no hops, end here.
inline constexpr uint64_t kInjectionsPerSecondMin = 50'000;
inline constexpr uint64_t kInjectionsPerPacketMax = 16;
// Where a reply went, remembered for drivers that inject a changed copy of it.
inline constexpr size_t kRecentNeighboursMax = 4096;

// --- configuration --------------------------------------------------------------------------
inline constexpr size_t kScopesMax = 8192;
inline constexpr size_t kReservationsMax = 1u << 20;
// Addresses of all scopes together, each with a place in the flat arrays (reserved, not touched).
inline constexpr size_t kAddressesMax = size_t{1} << 26;
inline constexpr size_t kScopeIdBytesMax = 64;
// One configuration file: room for kReservationsMax reservations with a few options each.
inline constexpr size_t kConfigBytesMax = size_t{256} << 20;
// DLLs that chain among themselves: dlls, CalloutDlls.
inline constexpr size_t kCalloutDllsMax = 64;
// Values, and subkeys, of a registry export that callouts can read.
inline constexpr size_t kRegistryValuesMax = 4096;
// Errors, and warnings, that one reading of a configuration reports.
inline constexpr size_t kProblemsMax = 1000;

// --- leases --------------------------------------------------------------------------------
inline constexpr size_t kOffersMax = 65536;
inline constexpr size_t kClientIdBytesMax = 255;
inline constexpr size_t kHostnameBytesMax = 255;
inline constexpr size_t kRelayInfoBytesMax = 255;
// Addresses that one relay or port may have in quarantine at once, so that a hostile client
// behind it can't decline a scope empty.
inline constexpr size_t kDeclinesPerSourceMax = 64;
// Packets that wait until it is known whether an address is in use (conflict detection).
inline constexpr size_t kParkedMax = 512;
// Addresses that are asked about for one packet before its client is told nothing.
inline constexpr size_t kProbesPerPacketMax = 3;
// Answers, to probes or to nothing, that one turn looks at.
inline constexpr size_t kProbeAnswersPerTurnMax = 256;
// Links that a look-up by hardware address follows: leases of that address, and a few of others.
inline constexpr size_t kHardwareLeasesMax = 4096;
// Active leases of one client that a LEASEQUERY's answer names.
inline constexpr size_t kLeaseQueryAddressesMax = 16;
// Addresses of a large range whose places are real memory from the start, and leases that the index
// of clients is ready for (96 bytes each in all): the first use of a page would hold up the packets
// of that moment.
inline constexpr size_t kReadyAddresses = size_t{512} * 1024;
// Expired leases that one turn takes out, so that a mass expiry never stalls replies.
inline constexpr size_t kExpiriesPerTurnMax = 256;
// The longest finite lease (RFC 2131 section 3.3: all ones is infinite).
inline constexpr uint32_t kLeaseTimeInfinite = 0xFFFFFFFF;

// --- journal -------------------------------------------------------------------------------
inline constexpr size_t kJournalSegmentBytes = size_t{16} << 20;
inline constexpr size_t kJournalRecordBytesMax = 1024;
// Leases that one turn hands to a snapshot in progress.
inline constexpr size_t kSnapshotLeasesPerTurn = 512;
// A step of the lease clock, and the sum of all of them, either way: 136 years, all that
// LeaseSeconds holds. A journal that tells of more was not written by this program.
inline constexpr int64_t kClockShiftSecondsMax = 0xFFFFFFFF;

// --- callouts ------------------------------------------------------------------------------
// Callouts that the server chains.
inline constexpr size_t kCalloutHostsMax = 16;
// Calls of hooks that one host is given at once: NewPkt or PktSend of a whole turn, or what was
// queued until then.
inline constexpr size_t kCalloutCallsMax = 2 * kTurnPacketsMax;
// Reports of faults that one host keeps.
inline constexpr size_t kCalloutFaultsMax = 32;
// Lines of a callout's output that are logged in a burst, and in each second after it
// (callout/helper_output.h); the others are counted.
inline constexpr size_t kCalloutLinesMax = 1024;

// --- filter --------------------------------------------------------------------------------
// Of all drivers and the configuration together.
inline constexpr size_t kFilterSessionsMax = 256;
inline constexpr size_t kFilterSubLayersMax = 256;
inline constexpr size_t kFilterCalloutsMax = 1024;
inline constexpr size_t kFiltersMax = 4096;
inline constexpr size_t kFilterConditionsMax = 1024;  // of one filter
inline constexpr size_t kFilterNameBytesMax = 128;    // of a display name, as reports show it
// Senders whose rate one limiting rule remembers.
inline constexpr size_t kRateBucketsMax = 16384;
// [[filter.rule]] and [[filter.driver]] of a configuration, and a driver's parameters.
inline constexpr size_t kFilterRulesMax = 1024;
inline constexpr size_t kFilterDriversMax = 64;
inline constexpr size_t kDriverParametersMax = 256;

// Flows of UDP that the engine knows at once, and of TCP: connections that the server has accepted.
inline constexpr size_t kUdpFlowsMax = 65536;
inline constexpr size_t kTcpFlowsMax = 256;
// A flow of UDP without a packet for so long is over.
inline constexpr int64_t kUdpFlowIdleNs = 60'000'000'000;
// Operations that callouts have pended.
inline constexpr size_t kPendedOperationsMax = 1024;
// What a stream callout may ask to have together (FWPS_STREAM_ACTION_NEED_MORE_DATA): "8 MB".
inline constexpr size_t kStreamGatheredBytesMax = size_t{8} << 20;
// What of one direction of a stream waits for whoever takes it, before no more is let in.
inline constexpr size_t kStreamBufferedBytesMax = size_t{256} << 10;
// Lists that callouts have injected into streams and that are not taken yet.
inline constexpr size_t kStreamInjectionsMax = 4096;

// --- leasequery over TCP --------------------------------------------------------------------
// Connections at once: RFC 6926 section 7.1 asks for a limit. More are closed at once.
inline constexpr size_t kQueryConnectionsMax = 64;
static_assert(kQueryConnectionsMax <= kTcpFlowsMax);
// Leases that one turn looks at for bulk answers, over all connections.
inline constexpr size_t kQueryLeasesPerTurn = 1024;
// Changes of leases that an active leasequery connection may be behind, before it is told to catch
// up anew.
inline constexpr size_t kActiveQueryBacklogMax = 65536;
// Addresses that are listened at.
inline constexpr size_t kQueryListenersMax = 16;
// What of one connection's answers waits for its socket.
inline constexpr size_t kQueryOutputBytes = size_t{64} << 10;
// A message that began to come in and does not end within so long: a slow sender is cut off.
inline constexpr int64_t kQueryFrameNs = 10'000'000'000;
// A connection without a query, or whose peer takes no byte of an answer, for so long: RFC 6926
// section 6.3, BULK_LQ_DATA_TIMEOUT.
inline constexpr int64_t kQueryIdleNs = 300'000'000'000;
// RFC 7724 section 6.3: something is sent at least so often (ACTIVE_LQ_IDLE_TIMEOUT), and a peer
// that takes nothing for so long is cut off (ACTIVE_LQ_SEND_TIMEOUT).
inline constexpr int64_t kActiveQueryKeepaliveNs = 60'000'000'000;
inline constexpr int64_t kActiveQuerySendNs = 120'000'000'000;
// What a closed connection may still send until it is reset.
inline constexpr int64_t kQueryLingerNs = 2'000'000'000;

// --- operator ------------------------------------------------------------------------------
inline constexpr size_t kControlClientsMax = 32;
inline constexpr size_t kControlRequestBytesMax = 64 * 1024;
inline constexpr size_t kTraceLinesMax = 4096;

}  // namespace hookline
