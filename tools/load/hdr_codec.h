// HdrHistogram's binary formats, written and read: what its libraries in other languages exchange.
//
// What it is: a histogram becomes bytes in the format V2, and V2 deflated (zlib, RFC 1950), and
// those bytes a histogram again. V2 is a header of 40 bytes (a cookie, the length of the counts,
// the layout) and the counts up to the greatest value, as ZigZag LEB128 numbers of at most 9 bytes;
// a negative one stands for so many counts of 0. The source is the reference implementation,
// org.HdrHistogram.AbstractHistogram; bytes are the same as its own.
//
// What the formats do not have, and so a histogram that was read has not either: the overflow (its
// values are in the last count), and the exact minimum, maximum and sum. Its maximum is the highest
// value of the last count, which is what the reference says too, its other values are taken to lie
// in the midst of their counts.
//
// Threads: these are functions of their arguments alone.
#pragma once

#include <eddy/core/histogram.h>
#include <stdint.h>

#include <expected>
#include <limits>
#include <string>
#include <string_view>

namespace eddy::load {

inline constexpr uint64_t kMostValues =
    std::numeric_limits<int64_t>::max();  // that a histogram's bytes can tell

std::string encode_hdr(const Histogram& histogram);
std::string encode_hdr_deflated(const Histogram& histogram);

// Reads either, told apart by the cookie. Bytes may be anybody's: whatever they claim, no more is
// allocated than the counts of the largest layout there is take, 8 bytes each in the histogram and
// 9 encoded (100 MiB in all, for 5 digits of 63 bits). What is wrong with bytes that are refused is
// a clause without its subject: "ends within a count". Refused, too, are the formats V0 and V1,
// histograms of doubles, shifted ones, and layouts that eddy::HistogramOptions does not allow.
std::expected<Histogram, std::string> decode_hdr(std::string_view bytes);

// Which value all those of a count are taken to have, as the reference's medianEquivalentValue.
constexpr int64_t middle_of(const Histogram::Bucket& bucket) {
  return bucket.lowest + (bucket.highest - bucket.lowest + 1) / 2;
}

// "3 digits, 1 to 3600000000000": what must be equal for histograms to be added.
std::string layout_text(const HistogramLayout& layout);

}  // namespace eddy::load
