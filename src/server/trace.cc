#include "server/trace.h"

#include <fmt/core.h>

namespace hookline::server {

Result<uint64_t> TraceHub::open(std::string_view client) {
  Follower follower;
  follower.any = client == "any";
  if (!follower.any) {
    const bool hex = client.starts_with("hex:");
    auto id = from_hex(hex ? client.substr(4) : client);
    if (!id || id->empty()) {
      return fail(ErrorKind::Invalid,
                  fmt::format("'{}' is no client: give 'any', a hardware address "
                              "(02:00:00:00:00:07) or a client id (hex:01020304)",
                              client));
    }
    follower.id = std::move(*id);
  }
  const std::lock_guard lock(mutex_);
  if (followers_.size() >= kControlClientsMax) {
    return fail(ErrorKind::Busy, "too many traces are open already");
  }
  followers_.emplace(next_id_, std::move(follower));
  active_ = true;
  return next_id_++;
}

bool TraceHub::next(uint64_t id, std::string& line) {
  const std::lock_guard lock(mutex_);
  const auto it = followers_.find(id);
  if (it == followers_.end()) return false;
  Follower& follower = it->second;
  if (follower.lost != 0) {
    line = fmt::format("({} lines lost: the reader is too slow)", follower.lost);
    follower.lost = 0;
    return true;
  }
  if (follower.lines.empty()) return false;
  line = std::move(follower.lines.front());
  follower.lines.pop_front();
  return true;
}

void TraceHub::close(uint64_t id) {
  const std::lock_guard lock(mutex_);
  followers_.erase(id);
  active_ = !followers_.empty();
}

bool TraceHub::matches(const Follower& follower, const Message& message) {
  return follower.any || equal(follower.id, message.hardware_address()) ||
         equal(follower.id, message.options.find(option::kClientIdentifier));
}

bool TraceHub::follows(const Packet& packet) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, follower] : followers_) {
    if (matches(follower, packet.message)) return true;
  }
  return false;
}

void TraceHub::line(const Packet& packet, std::string_view stage, std::string_view text) {
  const Message& m = packet.message;
  const std::string whole =
      fmt::format("{} {} xid={:08x} {:<8} {}", to_hex(m.hardware_address(), ':'),
                  message_type_name(m.type), m.xid, stage, text);
  const std::lock_guard lock(mutex_);
  for (auto& [id, follower] : followers_) {
    if (!matches(follower, m)) continue;
    if (follower.lines.size() >= kTraceLinesMax) {
      ++follower.lost;
    } else {
      follower.lines.push_back(whole);
    }
  }
}

}  // namespace hookline::server
