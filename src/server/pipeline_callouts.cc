// The moments at which callouts are told what happens (docs/callout_guide.md has the table).
#include <fmt/core.h>

#include "server/pipeline.h"

namespace hookline::server {

// Who is traced has to be known before NewPkt, so that its changes can be shown.
Batch<Admitted> Pipeline::through_callouts(Batch<Admitted> admitted) {
  if (traces_.active()) {
    for (Admitted& a : admitted) {
      Packet& packet = a.packet();
      packet.traced = !wire::decode_message(packet) && traces_.follows(packet);
      trace(packet, "received", fmt::format("{} bytes", packet.request_size));
    }
  }
  return stages_.callouts.new_packets(std::move(admitted));
}

// They hear of a pause before the first packet that is dropped for it.
void Pipeline::follow_gate() {
  const bool paused = gate_.paused.load(std::memory_order_relaxed);
  if (paused == paused_) return;
  paused_ = paused;
  stages_.callouts.control(paused ? callout::Control::Pause : callout::Control::Continue);
}

void Pipeline::tell_conflicts(std::span<const AddressConflict> conflicts) {
  for (const AddressConflict& c : conflicts) {
    stages_.callouts.address_deleted(*c.packet, callout::Prob::Conflict, c.address);
  }
}

// The address that a NAK is about is the one that the client asked for.
void Pipeline::tell_nacked(const Batch<Immediate>& immediate) {
  if (!stages_.callouts.wants(callout::Hook::AddressDel)) return;
  for (const Immediate& decided : immediate) {
    if (decided.grant().reply != ReplyKind::Nak) continue;
    const Message& m = decided.packet().message;
    const Ipv4 asked = m.options.ipv4(option::kRequestedAddress).value_or(m.ciaddr);
    stages_.callouts.address_deleted(decided.packet(), callout::Prob::Nacked, asked);
  }
}

// On disk, and not yet in the active database.
void Pipeline::tell_committed(const Batch<Committed>& committed) {
  for (const LeaseRecord& record : std::span(expired_.data(), expired_count_)) tell_deleted(record);
  for (const Committed& c : committed) {
    const Grant& grant = c.grant();
    if (grant.reply != ReplyKind::None) {
      stages_.callouts.address_offered(c.packet());
    } else {
      const bool declined = grant.record.state == LeaseState::Declined;
      const auto why = declined ? callout::Prob::Decline : callout::Prob::Release;
      stages_.callouts.address_deleted(c.packet(), why, grant.record.address);
    }
    tell_deleted(grant.record);
  }
  stages_.callouts.flush();
}

// A binding leaves the active database when `next` takes its place there.
void Pipeline::tell_deleted(const LeaseRecord& next) {
  if (!stages_.callouts.wants(callout::Hook::DeleteClient)) return;
  const std::optional<LeaseRecord> before = stages_.engine.find(next.address);
  if (!before || before->state != LeaseState::Active) return;
  if (next.state == LeaseState::Active && next.identity() == before->identity()) return;
  stages_.callouts.client_deleted(*before);
}

// An edited reply goes where its own yiaddr says.
Batch<Reply> Pipeline::tell_replies(Batch<Reply> replies) {
  constexpr size_t kYiaddrAt = 16;
  Batch<Reply> left = stages_.callouts.replies(std::move(replies));
  for (Reply& reply : left) {
    Packet& packet = reply.packet();
    if (!packet.reply_edited || packet.reply_size < kYiaddrAt + 4) continue;
    const Ipv4 yiaddr = Ipv4::load(packet.reply_data() + kYiaddrAt);
    packet.destination = wire::reply_destination(packet, yiaddr);
  }
  return left;
}

}  // namespace hookline::server
