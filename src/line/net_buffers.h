// One frame seen as a NET_BUFFER_LIST of one NET_BUFFER over one MDL, in place: nothing is
// allocated or copied. What the filter shows of a packet slot, and the injector of what it sends.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "hookline/fwp.h"
#include "line/classifier.h"

namespace hookline {

// The root of clones, as SourceHandle of the server's own lists: such a list's first MDL begins
// with the frame's Ethernet header. Nothing is ever read through it.
inline char kWholeFrame = 0;

struct Indication {
  NET_BUFFER_LIST list;
  NET_BUFFER buffer;
  MDL mdl;

  // Makes it describe `frame`, from its first byte on. REQUIRES: nobody holds the last one.
  void describe(MutableBytes frame) {
    constexpr uintptr_t kPageBytes = 4096;
    std::memset(&list, 0, sizeof list);
    std::memset(&buffer, 0, sizeof buffer);
    std::memset(&mdl, 0, sizeof mdl);
    const auto address = reinterpret_cast<uintptr_t>(frame.data());
    const auto bytes = static_cast<uint32_t>(frame.size());
    mdl.Size = sizeof mdl;
    mdl.MdlFlags = MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL;
    mdl.MappedSystemVa = frame.data();
    mdl.StartVa = frame.data() - address % kPageBytes;
    mdl.ByteOffset = static_cast<uint32_t>(address % kPageBytes);
    mdl.ByteCount = bytes;
    buffer.MdlChain = buffer.CurrentMdl = &mdl;
    buffer.DataLength = bytes;
    list.FirstNetBuffer = &buffer;
  }

  // Says that `frame` began with its Ethernet header, and by which interface and with which VLAN id
  // it came or leaves, where NDIS has it: a clone that is injected again finds its way by it.
  void tell_frame(uint32_t ifindex, uint16_t vlan) {
    list.SourceHandle = &kWholeFrame;
    list.NetBufferListInfo[NblOriginalInterfaceIfIndex] =
        reinterpret_cast<PVOID>(static_cast<uintptr_t>(ifindex));
    list.NetBufferListInfo[Ieee8021QNetBufferListInfo] =
        reinterpret_cast<PVOID>(static_cast<uintptr_t>(vlan) << kVlanIdShift);
  }

  // Clones and references that are out. Any thread.
  int32_t children() const { return __atomic_load_n(&list.ChildRefCount, __ATOMIC_ACQUIRE); }

  // NDIS_NET_BUFFER_LIST_8021Q_INFO: three bits of priority and one of format in front.
  static constexpr unsigned kVlanIdShift = 4;
};

// The endpoint handle that callouts are shown in the metadata, and give back when they inject at
// the transport layer: the server's address and the interface.
inline uint64_t endpoint_of(const Traffic& traffic) {
  return uint64_t{traffic.local.value} << 32 | traffic.ifindex;
}

}  // namespace hookline
