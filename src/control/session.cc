#include "control/session.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <utility>

#include "base/limits.h"
#include "control/protocol.h"
#include "control/stream.h"

namespace hookline::control {

namespace {

// Above this much unsent output no page is made. One page may go over it.
constexpr size_t kOutputBytesMax = 128 * 1024;

}  // namespace

Session::Session(Service& service, Logger& log, std::string who)
    : service_(service), log_(log), who_(std::move(who)) {}

Session::~Session() = default;

bool Session::wants_input() const {
  if (input_ended_ || refused_) return false;
  // A trace ends with the client's next line; whatever else streams is answered to its end first.
  if (stream_ && !stream_->tracing()) return false;
  return input_.size() <= kControlRequestBytesMax && has_room();
}

bool Session::has_room() const { return output_.size() - sent_ < kOutputBytesMax; }

void Session::take(std::string_view bytes) { input_ += bytes; }

void Session::refuse_and_end(std::string_view why) {
  output_ += error_line(nullptr, {ErrorKind::Invalid, std::string(why)});
  input_.clear();
  refused_ = true;
}

bool Session::ready() const {
  if (refused_ || !has_room()) return false;
  if (stream_) return !waiting_ || (stream_->tracing() && has_line());
  return has_request() || input_.size() > kControlRequestBytesMax;
}

bool Session::step() {
  if (refused_ || !has_room()) return false;
  if (stream_ && stream_->tracing() && has_line()) stream_.reset();
  if (stream_) {
    const Stream::State state = stream_->produce(output_);
    waiting_ = state == Stream::State::Waiting;
    if (state == Stream::State::Done) stream_.reset();
  } else if (has_request() || input_.size() > kControlRequestBytesMax) {
    take_request();
  }
  return ready();
}

void Session::take_request() {
  const size_t end = std::min(input_.find('\n'), input_.size());
  if (end > kControlRequestBytesMax) {
    refuse_and_end(fmt::format("a request has at most {} bytes", kControlRequestBytesMax));
    return;
  }
  const std::string line = input_.substr(0, end);
  input_.erase(0, end + 1);
  waiting_ = false;
  answer(line);
}

void Session::answer(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  boost::json::value id;
  const auto request = parse_request(line, id);
  if (!request) {
    output_ += error_line(id, request.error());
    return;
  }
  auto stream = open_stream(service_, log_, who_, *request);
  if (!stream) {
    output_ += error_line(id, stream.error());
    return;
  }
  stream_ = std::move(*stream);
}

void Session::consumed(size_t size) {
  sent_ += size;
  if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
  } else if (sent_ > kOutputBytesMax) {
    output_.erase(0, sent_);
    sent_ = 0;
  }
}

bool Session::finished() const {
  if (!output().empty()) return false;
  return refused_ || (input_ended_ && input_.empty() && !stream_);
}

bool Session::tracing() const { return stream_ && stream_->tracing(); }

}  // namespace hookline::control
