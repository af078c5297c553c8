#include "control/client.h"

#include <fmt/core.h>

#include <array>
#include <boost/json.hpp>
#include <utility>

#include "control/protocol.h"

namespace hookline::control {

namespace json = boost::json;

namespace {

constexpr size_t kAnswerBytesMax = size_t{16} << 20;
constexpr size_t kAnswerReadBytes = 64 * 1024;

// What the server says no to.
Error refusal_of(const json::object& answer) {
  const json::value* error = answer.if_contains("error");
  if (error == nullptr || !error->is_object()) return {ErrorKind::Io, "the server refused"};
  const json::value* kind = error->get_object().if_contains("kind");
  const json::value* text = error->get_object().if_contains("text");
  const auto of = [](const json::value* value) {
    return value != nullptr && value->is_string() ? std::string(value->get_string().c_str())
                                                  : std::string();
  };
  return {error_kind_of(of(kind)), of(text)};
}

bool is_true(const json::object& answer, const char* name) {
  const json::value* value = answer.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

Result<ControlClient> ControlClient::connect(const std::string& path) {
  auto connection = io::LocalConnection::connect(path);
  if (connection) return ControlClient(std::move(*connection), path);
  const Error& error = connection.error();
  if (error.kind == ErrorKind::Missing) {
    return fail(ErrorKind::Missing,
                fmt::format("no server answers at {}: is 'hookline serve' running? If it has "
                            "another socket, name it with --control",
                            path));
  }
  if (error.kind == ErrorKind::Io) {
    return fail(ErrorKind::Io, fmt::format("{}; the socket is for its owner and group: run this as "
                                           "root or as the server's user",
                                           error.text));
  }
  return tl::unexpected(error);
}

Result<void> ControlClient::send(std::string_view line) {
  while (!line.empty()) {
    const io::Transfer sent = connection_.write(as_bytes(line));
    switch (sent.outcome) {
      case io::Transfer::Outcome::Done:
        line.remove_prefix(sent.size);
        break;
      case io::Transfer::Outcome::WouldBlock: {
        io::Watch watch{.fd = connection_.fd(), .write = true};
        io::wait({&watch, 1}, -1);
        break;
      }
      default:
        // The server may have said why before it hung up: read that.
        return {};
    }
  }
  return {};
}

Result<std::string> ControlClient::read_line(int timeout_ms) {
  std::vector<uint8_t> bytes(kAnswerReadBytes);
  size_t searched = 0;
  for (;;) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    if (buffer_.size() > kAnswerBytesMax) {
      return fail(ErrorKind::Invalid, fmt::format("{}: the answer is too long", path_));
    }
    io::Watch watch{.fd = connection_.fd(), .read = true};
    io::wait({&watch, 1}, timeout_ms);
    if (!watch.readable && !watch.hung_up) {
      return fail(ErrorKind::Busy, fmt::format("the server at {} has not answered for {} s", path_,
                                               timeout_ms / 1000));
    }
    const io::Transfer got = connection_.read(bytes);
    if (got.outcome == io::Transfer::Outcome::WouldBlock) continue;
    if (got.outcome != io::Transfer::Outcome::Done) {
      return fail(
          ErrorKind::Missing,
          fmt::format("the server at {} hung up: it may have stopped; its log says why", path_));
    }
    buffer_ += as_text({bytes.data(), got.size});
  }
}

Result<void> ControlClient::call(std::string_view name, const json::object& args,
                                 const OnPage& on_page, int timeout_ms) {
  json::object request = {{"v", kProtocolVersion}, {"id", next_id_++}, {"call", name}};
  if (!args.empty()) request["args"] = args;
  if (auto sent = send(json::serialize(request) + "\n"); !sent) return sent;
  for (;;) {
    const auto line = read_line(timeout_ms);
    if (!line) return tl::unexpected(line.error());
    json::error_code error;
    const json::value answer = json::parse(*line, error);
    if (error || !answer.is_object()) {
      return fail(ErrorKind::Invalid,
                  fmt::format("{}: what answers there is not a Hookline server", path_));
    }
    const json::object& object = answer.get_object();
    if (!is_true(object, "ok")) return tl::unexpected(refusal_of(object));
    const json::value* result = object.if_contains("result");
    if (result != nullptr && !on_page(*result)) return {};
    if (!is_true(object, "more")) return {};
  }
}

}  // namespace hookline::control
