// A helper process for tests that is a thread of this one, so that a test can look into its callout
// and sanitizers see both ends of the ring. It can't crash. Included by test files only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "callout/ring.h"
#include "io/helper.h"
#include "io/helper_side.h"

namespace hookline::callout::testing {

// Counts what was rung, like an eventfd.
class Bell {
 public:
  void ring() {
    const std::scoped_lock lock(mutex_);
    rung_ = true;
    heard_.notify_all();
  }
  void wait(int64_t timeout_ns) {
    std::unique_lock lock(mutex_);
    heard_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), [&] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable heard_;
  bool rung_ = false;
};

class ThreadHelper final : public io::HelperProcess, private io::HelperSide {
 public:
  using Body = std::function<void(io::HelperSide&)>;

  ThreadHelper(size_t bytes, const std::function<void(uint8_t*)>& prepare, Body body)
      : bytes_(bytes), memory_(static_cast<uint8_t*>(std::aligned_alloc(64, rounded(bytes)))) {
    std::memset(memory_, 0, rounded(bytes));
    prepare(memory_);
    thread_ = std::thread([this, run = std::move(body)] {
      run(*this);
      ended_ = true;
      to_server_.ring();
    });
  }
  ~ThreadHelper() override {
    ring::View(memory_).header().stopping = 1;
    to_helper_.ring();
    thread_.join();
    std::free(memory_);
  }

  uint8_t* memory() override { return memory_; }
  void wake() override { to_helper_.ring(); }
  void wait(int64_t timeout_ns) override { to_server_.wait(timeout_ns); }
  std::optional<io::HelperEnd> ended() override {
    if (!ended_) return std::nullopt;
    return io::HelperEnd{io::HelperEnd::How::Exited, 0};
  }
  std::optional<io::HelperActivity> activity() override { return io::HelperActivity{true, 0}; }
  void kill() override { ring::View(memory_).header().stopping = 1; }
  size_t read_output(MutableBytes) override { return 0; }

  // Everything that was asked has been done.
  bool is_idle() const {
    const ring::Header& header = ring::View(memory_).header();
    return header.submitted == header.finished;
  }

 private:
  static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

  bool wait() override {
    to_helper_.wait(1'000'000'000'000);
    return true;
  }
  void call_back() override { to_server_.ring(); }
  void write_output(std::string_view) override {}
  void note_faults(io::FaultNote&, void (*)()) override {}
  MutableBytes shared() override { return {memory_, bytes_}; }

  size_t bytes_;
  uint8_t* memory_;
  Bell to_helper_, to_server_;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

class ThreadHelpers final : public io::Helpers {
 public:
  explicit ThreadHelpers(ThreadHelper::Body body) : body_(std::move(body)) {}
  Result<std::unique_ptr<io::HelperProcess>> start(
      const io::HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) override {
    auto helper = std::make_unique<ThreadHelper>(plan.shared_bytes, prepare, body_);
    last = helper.get();
    return helper;
  }

  size_t processors() const override { return 2; }

  ThreadHelper* last = nullptr;

 private:
  ThreadHelper::Body body_;
};

}  // namespace hookline::callout::testing
