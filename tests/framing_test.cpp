#include <eddy/core/framing.h>

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <new>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <eddy/core/error.h>

namespace {
size_t largest_allocation = 0;
}

// Every allocation of this program is seen, so that what a hostile header makes the framer ask for
// is known. Not inlined, or GCC takes the free() of what came from new for a mismatch.
[[gnu::noinline]] void* operator new(size_t size) {
  largest_allocation = std::max(largest_allocation, size);
  if (void* memory = malloc(size)) return memory;
  abort();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { free(memory); }

namespace eddy {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

// What came out of a framer: the frames and the error that ended them, if any.
struct Outcome {
  std::vector<std::string> frames;
  std::error_code error;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const std::string& frame : outcome.frames) out << testing::PrintToString(frame) << ' ';
  return out << outcome.error;
}

template <typename Framer>
void feed(Framer& framer, std::string_view bytes, Outcome& outcome) {
  Slice input = Slice::copy_of(bytes);
  while (auto frame = framer.next(input)) outcome.frames.push_back(frame->str());
  EXPECT_TRUE(input.empty());
  outcome.error = framer.error();
}

// The stream in pieces that end at `cuts`, ascending, and at its end.
template <typename Framer, typename Options>
Outcome frames_of(const Options& options, std::string_view stream,
                  const std::vector<size_t>& cuts) {
  Framer framer(options);
  Outcome outcome;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    feed(framer, stream.substr(begin, cut - begin), outcome);
    begin = cut;
  }
  feed(framer, stream.substr(begin), outcome);
  EXPECT_LE(framer.held_bytes(), options.max_frame_bytes + 8);
  return outcome;
}

// Whole, byte by byte, cut at every place, at every two places of a short stream, and at random
// ones.
template <typename Framer, typename Options>
void expect_for_every_split(const Options& options, std::string_view stream,
                            const Outcome& expected) {
  const auto frames = [&](const std::vector<size_t>& cuts) {
    return frames_of<Framer>(options, stream, cuts);
  };
  ASSERT_EQ(frames({}), expected);
  std::vector<size_t> every;
  for (size_t i = 1; i < stream.size(); ++i) {
    ASSERT_EQ(frames({i}), expected) << "cut at " << i;
    every.push_back(i);
  }
  ASSERT_EQ(frames(every), expected);
  if (stream.size() < 100) {
    for (const size_t first : every) {
      for (size_t second = first; second < stream.size(); ++second) {
        ASSERT_EQ(frames({first, second}), expected) << "cut at " << first << " and " << second;
      }
    }
  }
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<size_t> cuts;
    const unsigned one_in = 1 + random() % 20;
    std::ranges::copy_if(every, std::back_inserter(cuts),
                         [&](size_t) { return random() % one_in == 0; });
    ASSERT_EQ(frames(cuts), expected);
  }
}

std::string with_length(std::string_view frame, const LengthFramingOptions& options) {
  uint64_t length = frame.size() + (options.length_includes_header ? options.header_bytes : 0);
  std::string header;
  for (unsigned i = 0; i < options.header_bytes; ++i, length >>= 8)
    header += static_cast<char>(length);
  if (options.big_endian) std::ranges::reverse(header);
  return header.append(frame);
}

TEST(LengthFramer, EverySplitOfEveryHeaderGivesTheSameFrames) {
  const std::vector<std::string> frames = {"a",       "", "hello", "", std::string(200, 'x'),
                                           "\0\1\2"s, ""};
  for (const unsigned header_bytes : {1U, 2U, 3U, 4U, 8U}) {
    for (const bool big_endian : {true, false}) {
      for (const bool includes : {false, true}) {
        const LengthFramingOptions options = {.header_bytes = header_bytes,
                                              .big_endian = big_endian,
                                              .length_includes_header = includes,
                                              .max_frame_bytes = 200};
        std::string stream;
        for (const std::string& frame : frames) stream += with_length(frame, options);
        expect_for_every_split<LengthFramer>(options, stream, {frames, {}});
      }
    }
  }
}

TEST(LengthFramer, AFrameOverTheLimitEndsIt) {
  const LengthFramingOptions options = {.header_bytes = 2, .max_frame_bytes = 5};
  const std::string stream =
      with_length("12345", options) + with_length("123456", options) + with_length("1", options);
  expect_for_every_split<LengthFramer>(options, stream, {{"12345"}, Errc::kOverLimit});
}

TEST(LengthFramer, ALengthShorterThanItsHeaderEndsIt) {
  const LengthFramingOptions options = {.header_bytes = 4, .length_includes_header = true};
  expect_for_every_split<LengthFramer>(options, with_length("ab", options) + "\0\0\0\3abc"s,
                                       {{"ab"}, errno_code(EBADMSG)});
}

TEST(LengthFramer, TheGreatestLengthDoesNotOverflow) {
  const LengthFramingOptions options = {.header_bytes = 8, .max_frame_bytes = SIZE_MAX - 1};
  expect_for_every_split<LengthFramer>(options, std::string(8, '\xff') + "abc",
                                       {{}, Errc::kOverLimit});
}

TEST(LengthFramer, OnlyAStraddlingFrameIsCopied) {
  const LengthFramingOptions options = {.header_bytes = 1};
  LengthFramer framer(options);
  Slice input = Slice::copy_of(with_length("first", options) + with_length("second", options) +
                               with_length("third", options).substr(0, 3));
  const Slice whole = input;
  EXPECT_EQ(framer.next(input)->data(), whole.data() + 1);
  EXPECT_EQ(framer.next(input)->data(), whole.data() + 7);
  EXPECT_EQ(framer.copied_bytes(), 0U);
  EXPECT_FALSE(framer.next(input));
  EXPECT_EQ(framer.held_bytes(), 2U);
  EXPECT_TRUE(framer.mid_frame());
  EXPECT_EQ(whole.owner()->references, 1U);  // what is held pins nothing

  input = Slice::copy_of("ird" + with_length("fourth", options));
  const Slice rest = input;
  EXPECT_EQ(framer.next(input)->view(), "third");
  EXPECT_EQ(framer.copied_bytes(), 5U);
  EXPECT_EQ(framer.next(input)->data(), rest.data() + 4);
  EXPECT_EQ(framer.copied_bytes(), 5U);
  EXPECT_FALSE(framer.mid_frame());
}

TEST(LengthFramer, AHeaderAloneIsMidFrame) {
  LengthFramer framer;
  Slice input = Slice::of_static("\0"sv);
  EXPECT_FALSE(framer.next(input));
  EXPECT_TRUE(framer.mid_frame());
  EXPECT_EQ(framer.held_bytes(), 0U);
}

TEST(LengthFramer, AHostileLengthAllocatesNothing) {
  constexpr size_t kGibibyte = size_t{1} << 30;
  LengthFramer framer({.header_bytes = 4, .max_frame_bytes = kGibibyte});
  Slice header = Slice::of_static("\x40\0\0\0"sv);
  Slice bytes = Slice::copy_of(std::string(1000, 'x'));
  largest_allocation = 0;
  EXPECT_FALSE(framer.next(header));
  EXPECT_EQ(largest_allocation, 0U);
  EXPECT_FALSE(framer.next(bytes));
  EXPECT_LE(largest_allocation, 2001U);
  EXPECT_FALSE(framer.error());
}

TEST(LengthFramer, ByteByByteCopiesAreLinear) {
  constexpr size_t kSize = 1 << 20;
  const LengthFramingOptions options = {.header_bytes = 4, .max_frame_bytes = kSize};
  const std::string stream = with_length(std::string(kSize, 'x'), options);
  LengthFramer framer(options);
  size_t frames = 0;
  for (const char& byte : stream) {
    Slice input = Slice::of_static({&byte, 1});
    while (auto frame = framer.next(input)) frames += frame->size() == kSize;
  }
  EXPECT_EQ(frames, 1U);
  EXPECT_LE(framer.copied_bytes(), 3 * kSize);
}

std::string with_delimiter(const std::vector<std::string>& frames, const std::string& delimiter) {
  std::string stream;
  for (const std::string& frame : frames) stream.append(frame).append(delimiter);
  return stream;
}

TEST(DelimiterFramer, EverySplitGivesTheSameFrames) {
  const std::vector<std::string> frames = {"", "a",    "hello\r",           "\n",
                                           "", "\r\r", std::string(99, 'x')};
  for (const std::string& delimiter : {"\r\n"s, "\0"s, "--end"s}) {
    expect_for_every_split<DelimiterFramer>(
        DelimiterFramingOptions{.delimiter = delimiter, .max_frame_bytes = 99},
        with_delimiter(frames, delimiter), {frames, {}});
  }
}

// Where delimiters could overlap, the first one counts.
TEST(DelimiterFramer, ADelimiterThatOverlapsItselfIsFoundFirst) {
  expect_for_every_split<DelimiterFramer>(DelimiterFramingOptions{.delimiter = "aab"},
                                          "aaab-aabaab-aaaaabab", {{"a", "-", "", "-aaa"}, {}});
  expect_for_every_split<DelimiterFramer>(DelimiterFramingOptions{.delimiter = "aaa"},
                                          "aaaaaaa-aa-aaaa", {{"", "", "a-aa-"}, {}});
}

TEST(DelimiterFramer, AFrameOverTheLimitEndsIt) {
  const DelimiterFramingOptions options = {.delimiter = "\r\n", .max_frame_bytes = 5};
  expect_for_every_split<DelimiterFramer>(options, "12345\r\n123456\r\n1\r\n",
                                          {{"12345"}, Errc::kOverLimit});
  // Also where the delimiter never comes; one byte earlier it still could.
  expect_for_every_split<DelimiterFramer>(options, "1234567", {{}, Errc::kOverLimit});
  expect_for_every_split<DelimiterFramer>(options, "12345\r", {{}, {}});
}

TEST(DelimiterFramer, NoLimitDoesNotOverflow) {
  expect_for_every_split<DelimiterFramer>(
      DelimiterFramingOptions{.delimiter = "\r\n", .max_frame_bytes = SIZE_MAX - 8}, "a\r\nb\r\nc",
      {{"a", "b"}, {}});
}

TEST(DelimiterFramer, RandomStreamsAreCutAsAPlainSearchCutsThem) {
  std::mt19937 random(11);
  for (int round = 0; round < 30; ++round) {
    std::string stream;
    for (int i = 0; i < 150; ++i) stream += "\r\nx"[random() % 3];
    Outcome expected;
    size_t begin = 0;
    for (size_t at = 0; (at = stream.find("\r\n", begin)) != std::string::npos; begin = at + 2) {
      expected.frames.push_back(stream.substr(begin, at - begin));
    }
    expect_for_every_split<DelimiterFramer>(DelimiterFramingOptions{.delimiter = "\r\n"}, stream,
                                            expected);
  }
}

TEST(DelimiterFramer, OnlyAStraddlingFrameIsCopied) {
  DelimiterFramer framer({.delimiter = "\r\n"});
  Slice input = Slice::copy_of("first\r\nsecond\r\nthi");
  const Slice whole = input;
  EXPECT_EQ(framer.next(input)->data(), whole.data());
  EXPECT_EQ(framer.next(input)->data(), whole.data() + 7);
  EXPECT_EQ(framer.copied_bytes(), 0U);
  EXPECT_FALSE(framer.next(input));
  EXPECT_EQ(whole.owner()->references, 1U);
  EXPECT_TRUE(framer.mid_frame());

  input = Slice::copy_of("rd\r\nfourth\r\n");
  const Slice rest = input;
  EXPECT_EQ(framer.next(input)->view(), "third");
  EXPECT_EQ(framer.copied_bytes(), 7U);  // and the delimiter
  EXPECT_EQ(framer.next(input)->data(), rest.data() + 4);
  EXPECT_FALSE(framer.next(input));
  EXPECT_EQ(framer.copied_bytes(), 7U);
  EXPECT_FALSE(framer.mid_frame());
}

// A search that began anew at each byte would take minutes.
TEST(DelimiterFramer, ByteByByteIsLinear) {
  constexpr size_t kSize = 4 << 20;
  const std::string stream = std::string(kSize, '\r') + "\r\n";
  DelimiterFramer framer({.delimiter = "\r\n", .max_frame_bytes = kSize});
  size_t frames = 0;
  for (const char& byte : stream) {
    Slice input = Slice::of_static({&byte, 1});
    while (auto frame = framer.next(input)) frames += frame->size() == kSize;
  }
  EXPECT_EQ(frames, 1U);
  EXPECT_LE(framer.copied_bytes(), 3 * kSize);
}

#ifndef NDEBUG
TEST(FramingDeathTest, OptionsOutOfRangeAreTheCallersBug) {
  EXPECT_DEATH(LengthFramer({.header_bytes = 9}), "header_bytes that are not 1 to 8");
  EXPECT_DEATH(DelimiterFramer({.delimiter = ""}), "empty delimiter");
}
#endif

}  // namespace
}  // namespace eddy
