// Framing without memory: an error after frames that are right, and no exception.
#include <eddy/core/error.h>
#include <eddy/core/framing.h>
#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>
#include <string>
#include <vector>

#include "support/allocations.h"

namespace eddy::test {
namespace {

// Fed two bytes at a time, so that every frame is gathered in memory of its own.
template <typename Framer>
std::vector<std::string> frames_of(Framer& framer, std::string_view stream) {
  std::vector<std::string> frames;
  for (; !stream.empty(); stream.remove_prefix(std::min<size_t>(stream.size(), 2))) {
    Slice piece = Slice::of_static(stream.substr(0, 2));
    for (;;) {
      arm_allocation_failure(true);
      auto frame = framer.next(piece);
      arm_allocation_failure(false);
      if (!frame) break;
      frames.emplace_back(frame->view());
    }
    EXPECT_TRUE(piece.empty());
  }
  return frames;
}

// Until a run in which no allocation was left to fail.
template <typename Framer, typename Options>
void fail_each_allocation(const Options& options, std::string_view stream,
                          const std::vector<std::string>& expected) {
  for (size_t n = 0;; ++n) {
    fail_allocation(n);
    Framer framer(options);
    const std::vector<std::string> frames = frames_of(framer, stream);
    if (!allocation_has_failed()) {
      EXPECT_EQ(frames, expected);
      EXPECT_FALSE(framer.error());
      EXPECT_GT(n, expected.size());
      return;
    }
    EXPECT_EQ(framer.error(), errno_code(ENOMEM));
    ASSERT_LT(frames.size(), expected.size());
    EXPECT_TRUE(std::ranges::equal(frames, expected | std::views::take(frames.size())));
  }
}

const std::vector<std::string> kFrames = {std::string(100, 'a'), std::string(300, 'b'), "c"};

TEST(FramingMemory, ByLength) {
  std::string stream;
  for (const std::string& frame : kFrames) {
    stream += static_cast<char>(frame.size() >> 8);
    stream += static_cast<char>(frame.size());
    stream += frame;
  }
  fail_each_allocation<LengthFramer>(LengthFramingOptions{.header_bytes = 2}, stream, kFrames);
}

TEST(FramingMemory, ByDelimiter) {
  std::string stream;
  for (const std::string& frame : kFrames) stream += frame + "\r\n";
  fail_each_allocation<DelimiterFramer>(DelimiterFramingOptions{.delimiter = "\r\n"}, stream,
                                        kFrames);
}

}  // namespace
}  // namespace eddy::test
