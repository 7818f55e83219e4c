// What work of another thread waits at until the test opens it; in a simulated world, which has one
// thread, a long time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "machine.h"

namespace eddy::test {

class Gate {
 public:
  // Of the work: true once it is open. False, after a time that only a failure reaches, if it is
  // not opened.
  bool pass() {
    if (machine().is_simulated()) {
      machine().block(kSimulatedTime);
      return true;
    }
    std::unique_lock lock(mutex_);
    return opened_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  static constexpr std::chrono::seconds kSimulatedTime{1};
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

}  // namespace eddy::test
