#include "load/hdr_codec.h"

#include <eddy/core/histogram.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "load/base64.h"

namespace eddy::load {
namespace {

using testing::HasSubstr;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// V2 of 3 digits up to an hour of nanoseconds, as far as its payload, whose length is one byte's.
std::string with_payload(std::string_view payload_hex) {
  const std::string payload = from_hex(payload_hex);
  std::string bytes =
      from_hex("1c84931300000000000000000000000300000000000000010000034630b8a0003ff0000000000000");
  bytes[7] = static_cast<char>(payload.size());
  return bytes + payload;
}

std::string deflated(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string body(size, '\0');
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(body.data()), &size,
                     reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()),
            Z_OK);
  body.resize(size);
  std::string header = from_hex("1c849314");
  for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(size >> shift & 0xff);
  return header + body;
}

void expect_refused(std::string_view bytes, std::string_view why) {
  const auto histogram = decode_hdr(bytes);
  ASSERT_FALSE(histogram) << why;
  EXPECT_THAT(histogram.error(), HasSubstr(why));
}

void expect_same(const Histogram& decoded, const Histogram& histogram) {
  ASSERT_EQ(decoded.layout(), histogram.layout());
  EXPECT_EQ(decoded.count(), histogram.count());
  for (const double percent : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.999, 100.0}) {
    EXPECT_EQ(decoded.percentile(percent), histogram.percentile(percent));
  }
  EXPECT_EQ(decoded.maximum(), histogram.percentile(100));
  EXPECT_GE(decoded.minimum(), histogram.percentile(0));
}

void expect_round_trip(const Histogram& histogram) {
  const std::string plain = encode_hdr(histogram);
  for (const std::string& bytes : {plain, encode_hdr_deflated(histogram)}) {
    const auto decoded = decode_hdr(bytes);
    ASSERT_TRUE(decoded) << decoded.error();
    expect_same(*decoded, histogram);
    EXPECT_TRUE(encode_hdr(*decoded) == plain) << "the counts are others";
  }
}

// What Histogram.encodeIntoByteBuffer of HdrHistogram 2.1.11 for Java made.
TEST(HdrCodec, BytesAreThoseOfTheReference) {
  Histogram histogram;
  EXPECT_EQ(encode_hdr(histogram), with_payload("00"));
  histogram.record(7);
  histogram.record(8, uint64_t{1} << 40);
  histogram.record(10, 64);
  histogram.record(1000, uint64_t{1} << 62);
  EXPECT_EQ(encode_hdr(histogram), with_payload("0d02808080808040008001b90f808080808080808080"));
}

class HdrCodecOf : public testing::TestWithParam<HistogramOptions> {};
INSTANTIATE_TEST_SUITE_P(
    Options, HdrCodecOf,
    testing::Values(HistogramOptions{.digits = 1}, HistogramOptions{.digits = 2},
                    HistogramOptions{.highest = int64_t{1} << 40, .digits = 3},
                    HistogramOptions{.digits = 4},
                    HistogramOptions{.highest = int64_t{1} << 40, .digits = 5},
                    HistogramOptions{.highest = 2, .digits = 5},
                    HistogramOptions{.lowest = 1000, .highest = 60'000'000'000},
                    HistogramOptions{.highest = std::numeric_limits<int64_t>::max()},
                    HistogramOptions{.lowest = int64_t{1} << 40,
                                     .highest = std::numeric_limits<int64_t>::max()}));

TEST_P(HdrCodecOf, WhatWasWrittenIsReadAgain) {
  Histogram histogram(GetParam());
  expect_round_trip(histogram);
  histogram.record(GetParam().highest, 3'000'000);
  expect_round_trip(histogram);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {  // some of them beyond the highest
    histogram.record(static_cast<int64_t>(random() >> (1 + random() % 63)), 1 + random() % 9);
  }
  expect_round_trip(histogram);
}

TEST(HdrCodec, CountsOfAllSizesAreReadAgain) {
  Histogram histogram({.highest = int64_t{1} << 40});
  for (int bits = 0; bits < 62; ++bits) {
    histogram.record(3 * bits, (uint64_t{1} << bits) - 1);
    histogram.record(3 * bits + 1, uint64_t{1} << bits);
  }
  expect_round_trip(histogram);
  Histogram most;
  most.record(int64_t{1} << 40, std::numeric_limits<int64_t>::max());
  expect_round_trip(most);
}

TEST(HdrCodec, OverflowIsReadAsTheLastCount) {
  Histogram histogram({.highest = 1'000'000});
  histogram.record(5'000'000, 7);
  const auto decoded = decode_hdr(encode_hdr(histogram));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->overflowed(), 0);
  EXPECT_EQ(decoded->counts().back(), 7);
  EXPECT_EQ(decoded->maximum(), histogram.layout().greatest());
}

TEST(HdrCodec, MeanIsReadToTheDigitsOfTheLayout) {
  Histogram histogram;
  std::mt19937_64 random(2);
  for (int i = 0; i < 10'000; ++i) histogram.record(static_cast<int64_t>(random() % 1'000'000'000));
  const auto decoded = decode_hdr(encode_hdr_deflated(histogram));
  ASSERT_TRUE(decoded);
  EXPECT_NEAR(decoded->mean() / histogram.mean(), 1, 1e-3);
}

TEST(HdrCodec, OtherFormatsAreRefusedByName) {
  for (const char* v1 : {"1c849301", "1c849302", "1c849311", "1c849312"}) {
    expect_refused(from_hex(v1) + std::string(60, '\0'), "is in the old format V1");
  }
  for (const char* v0 : {"1c849308", "1c849309", "1c849388", "1c849389"}) {
    expect_refused(from_hex(v0) + std::string(28, '\0'), "is in the old format V0");
  }
  expect_refused(from_hex("0c72124e") + std::string(60, '\0'), "is a histogram of doubles");
  expect_refused(from_hex("0c72124f") + std::string(60, '\0'), "is a histogram of doubles");
  expect_refused("HTTP/1.1 200 OK", "is no HdrHistogram (it starts with 0x48545450)");
  expect_refused("", "ends within its header");
}

TEST(HdrCodec, HeadersThatAreNotReadAreRefusedWithWhatIsInThem) {
  const auto with_byte = [](size_t place, int byte) {
    std::string bytes = with_payload("00");
    bytes[place] = static_cast<char>(byte);
    return bytes;
  };
  expect_refused(with_byte(11, 1), "is shifted");
  expect_refused(with_byte(32, 0x40), "is scaled to doubles");
  expect_refused(with_byte(15, 0), "lowest 1, highest 3600000000000, digits 0");
  expect_refused(with_byte(15, 6), "digits 6");
  expect_refused(with_byte(12, 0xff), "digits 4278190083");
  expect_refused(with_byte(23, 0), "lowest 0");
  expect_refused(with_byte(16, 0x80), "lowest -9223372036854775807");
  expect_refused(with_byte(24, 0x80), "highest -");
  expect_refused(with_byte(4, 0x7f), "claims more counts than its layout has");
  expect_refused(with_byte(7, 2), "ends within its counts");
  expect_refused(with_byte(7, 0), "does not end with its counts");
}

TEST(HdrCodec, CountsThatDoNotFitAreRefused) {
  EXPECT_TRUE(decode_hdr(with_payload("")));
  expect_refused(with_payload("0280"), "ends within a count");
  expect_refused(with_payload("8080808080808080"), "ends within a count");
  expect_refused(with_payload("fdffffff0f"), "has more counts than its layout");
  expect_refused(with_payload("ffffffffffffffffff"), "has more counts than its layout");
  // All of the counts are 0, and one more.
  const auto size = static_cast<int64_t>(HistogramLayout({}).size());
  const uint64_t folded = static_cast<uint64_t>(size) * 2 - 1;
  std::string zeros;
  for (uint64_t left = folded; left > 0; left >>= 7) {
    char text[3];
    snprintf(text, sizeof(text), "%02x", static_cast<unsigned>((left & 0x7f) | (left > 0x7f) << 7));
    zeros += text;
  }
  EXPECT_TRUE(decode_hdr(with_payload(zeros)));
  expect_refused(with_payload(zeros + "00"), "has more counts than its layout");
  expect_refused(with_payload("feffffffffffffffff02"), "has more than 2^63 values");
}

TEST(HdrCodec, EveryTruncationIsRefused) {
  Histogram histogram;
  for (int64_t value = 1; value < 1'000'000; value *= 3) histogram.record(value, 1000);
  for (const std::string& bytes : {encode_hdr(histogram), encode_hdr_deflated(histogram)}) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_hdr(std::string_view(bytes).substr(0, size))) << size;
    }
    expect_refused(bytes + "x", "does not end with its counts");
  }
}

TEST(HdrCodec, BrokenDeflationIsRefused) {
  const std::string bytes = encode_hdr_deflated(Histogram());
  for (size_t i = 8; i < bytes.size(); ++i) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 0x55);
    EXPECT_FALSE(decode_hdr(broken)) << i;
  }
  expect_refused(deflated("short"), "does not inflate to a header");
  expect_refused(deflated(with_payload("00").substr(0, 40)), "does not inflate to its counts");
  expect_refused(deflated(from_hex("1c849311") + std::string(60, '\0')), "V1");
}

TEST(HdrCodec, SmallBytesThatInflateToManyAreRefusedBeforeTheyDo) {
  std::string bytes = with_payload("00");
  expect_refused(deflated(bytes + std::string(8'000'000, '\0')), "does not end with its counts");
  bytes[4] = 0x7f;
  expect_refused(deflated(bytes + std::string(8'000'000, '\0')), "claims more counts");
}

// RFC 4648, section 10.
TEST(Base64, IsThatOfTheRfc) {
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(encode_base64(bytes), text);
    EXPECT_EQ(decode_base64(text), bytes);
  }
  EXPECT_EQ(encode_base64("\xfb\xff\xfe"), "+//+");
  EXPECT_EQ(decode_base64("+//+"), "\xfb\xff\xfe");
}

TEST(Base64, RefusesWhatIsNone) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Z===", "=Zg=", "Zg==Zg==", "Zm9v\n", "Zm-v", "Zm9 "}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

}  // namespace
}  // namespace eddy::load
