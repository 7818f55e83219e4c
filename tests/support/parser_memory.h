// What a parser that is pulled does with memory: none is taken in the steady state, and where there
// is none the answer is an error.
#pragma once

#include <eddy/core/error.h>
#include <errno.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "allocations.h"

namespace eddy::test {

// The messages of the stream in pieces of so many bytes. 0: there was an error.
template <typename Parser>
size_t feed(Parser& parser, std::string_view stream, size_t piece_bytes) {
  size_t messages = 0;
  while (!stream.empty()) {
    std::string_view bytes = stream.substr(0, piece_bytes);
    stream.remove_prefix(bytes.size());
    for (;;) {
      const auto event = parser.next(bytes);
      if (!event) return 0;
      if (*event == Parser::Event::kNeedMore) break;
      ++messages;
    }
  }
  return messages;
}

template <typename Parser>
void expect_no_allocation(const typename Parser::Options& options, const std::string& stream,
                          size_t messages) {
  for (const size_t piece_bytes : {stream.size(), size_t{100}, size_t{7}, size_t{1}}) {
    Parser parser(options);
    ASSERT_EQ(feed(parser, stream, piece_bytes), messages);
    const size_t before = allocations().count;
    size_t count = 0;
    for (int i = 0; i < 10; ++i) count += feed(parser, stream, piece_bytes);
    parser.reset();
    count += feed(parser, stream, piece_bytes);
    EXPECT_EQ(allocations().count - before, 0U) << "pieces of " << piece_bytes;
    EXPECT_EQ(count, 11 * messages);
  }
}

template <typename Parser>
void fail_each_allocation(const typename Parser::Options& options, const std::string& stream,
                          size_t messages) {
  for (size_t n = 0;; ++n) {
    Parser parser(options);
    fail_allocation(n);
    size_t found = 0;
    bool failed = false;
    for (size_t at = 0; at < stream.size() && !failed; at += 7) {
      std::string_view bytes = std::string_view(stream).substr(at, 7);
      for (;;) {
        arm_allocation_failure(true);
        const auto event = parser.next(bytes);
        arm_allocation_failure(false);
        if (!event) {
          EXPECT_EQ(event.error().code(), errno_code(ENOMEM));
          failed = true;
          break;
        }
        if (*event == Parser::Event::kNeedMore) break;
        ++found;
      }
    }
    ASSERT_EQ(failed, allocation_has_failed());
    if (!failed) {
      EXPECT_EQ(found, messages);
      EXPECT_GT(n, 0U);
      return;
    }
    EXPECT_LT(found, messages);
  }
}

}  // namespace eddy::test
