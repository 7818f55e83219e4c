// What went wrong first, and what every connection was told: the same for everybody who checks.
#pragma once

#include <stdint.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eddy::test {

class Failures {
 public:
  void add(std::string what) {
    if (first_.empty()) first_ = std::move(what);
  }
  bool any() const { return !first_.empty(); }
  const std::string& first() const { return first_; }

 private:
  std::string first_;
};

// The callbacks of one side of a connection, held to the contract of net/stream.h. `line` is what
// came, without how it was cut into pieces and when: equal on both backends where nothing broke.
class CallbackOrder {
 public:
  CallbackOrder(Failures& failures, std::string who) : failures_(&failures), who_(std::move(who)) {}

  void open() {
    expect(!opened_ && !closed_, "on_open came twice, or after on_close");
    opened_ = true;
  }
  void data(size_t size) {
    expect(opened_ && !ended_ && !closed_, "on_data came before on_open, or after the end");
    expect(size != 0, "on_data came with nothing");
    bytes_ += size;
  }
  void end() {
    expect(opened_ && !ended_ && !closed_, "on_end came twice, or out of its order");
    ended_ = true;
  }
  void drain() { expect(opened_ && !closed_, "on_drain came out of its order"); }
  void close(int code) {
    expect(!closed_, "on_close came twice");
    closed_ = true;
    code_ = code;
  }
  void expect(bool holds, const char* rule) {
    if (!holds) failures_->add(who_ + ": " + rule);
  }
  bool opened() const { return opened_; }
  bool closed() const { return closed_; }
  bool ended() const { return ended_; }
  int code() const { return code_; }
  uint64_t bytes() const { return bytes_; }
  const std::string& who() const { return who_; }
  std::string line() const {
    char text[160];
    snprintf(text, sizeof text, "%s:%s %llu bytes%s%s %d", who_.c_str(), opened_ ? " open" : "",
             static_cast<unsigned long long>(bytes_), ended_ ? " end" : "", closed_ ? " close" : "",
             code_);
    return text;
  }

 private:
  Failures* failures_;
  std::string who_;
  bool opened_ = false;
  bool ended_ = false;
  bool closed_ = false;
  int code_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace eddy::test
