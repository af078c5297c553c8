#include "filter/net_buffers.h"

#include "base/check.h"

namespace hookline::filter {

DataStart DataStart::of(const NET_BUFFER& buffer) {
  return {buffer.MdlChain, buffer.CurrentMdl, buffer.CurrentMdlOffset, buffer.DataOffset,
          buffer.DataLength};
}

void DataStart::restore(NET_BUFFER& buffer) const {
  buffer.MdlChain = chain;
  buffer.CurrentMdl = current;
  buffer.CurrentMdlOffset = current_offset;
  buffer.DataOffset = offset;
  buffer.DataLength = length;
}

DataStart DataStart::advanced(uint32_t bytes) const {
  CHECK(bytes <= length, "headers lie within the data");
  DataStart out = *this;
  out.offset += bytes;
  out.length -= bytes;
  out.current_offset += bytes;
  while (out.current->Next != nullptr && out.current_offset >= out.current->ByteCount) {
    out.current_offset -= out.current->ByteCount;
    out.current = out.current->Next;
  }
  return out;
}

uint32_t data_offset(const Traffic& traffic, Depth depth) {
  const uint32_t ip_at = traffic.mac_header_bytes;
  const uint32_t transport_at = ip_at + traffic.ip_header_bytes;
  const uint32_t data_at = transport_at + traffic.transport_header_bytes;
  const bool inbound = traffic.direction == Direction::Inbound;
  switch (depth) {
    case Depth::Mac:
      return inbound ? ip_at : 0;
    case Depth::Network:
      return inbound ? transport_at : ip_at;
    case Depth::Transport:
    case Depth::Datagram:
      return inbound ? data_at : transport_at;
  }
  return 0;
}

}  // namespace hookline::filter
