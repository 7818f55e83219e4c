// An answer that was parsed and found right: of one that has the very same bytes, nothing else can
// come out, and it need not be parsed.
//
// Threads: one.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <string>
#include <string_view>

#include "load/record.h"

namespace eddy::load {

class KnownAnswer {
 public:
  // Takes it off the front of `bytes`, which begin where an answer does, if it is there.
  bool take(std::string_view& bytes) {
    if (text_.empty() || !bytes.starts_with(text_)) return false;
    bytes.remove_prefix(text_.size());
    return true;
  }

  // Of the one that is taken.
  AnswerClass what() const { return what_; }

  // What such an answer has in that place from now on, if it is as long.
  void put(size_t place, std::string_view part) {
    if (text_.size() > place + part.size()) memcpy(text_.data() + place, part.data(), part.size());
  }

  // A whole answer, right, after which the connection goes on; none if it is empty. Of a server
  // whose answers differ, few are kept: they would be copied in vain.
  void remember(std::string_view answer, AnswerClass what) {
    if (answer.empty() || answer.size() > kLongest) return;
    if (unknown_++ % kKeptEvery != 0) return;
    text_ = answer;
    what_ = what;
  }

 private:
  static constexpr uint64_t kKeptEvery = 8;
  static constexpr size_t kLongest = size_t{16} * 1024;
  std::string text_;
  AnswerClass what_ = kNoClass;
  uint64_t unknown_ = 0;
};

}  // namespace eddy::load
