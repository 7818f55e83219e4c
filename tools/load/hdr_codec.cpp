#include "load/hdr_codec.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <new>
#include <optional>
#include <utility>

namespace eddy::load {
namespace {

// A cookie's second digit from the right is the size of a word, which V2 no longer has; it is 1.
constexpr uint64_t kWordSizeDigit = 0xf0;
constexpr uint64_t kWordSize = 0x10;
constexpr uint64_t kCookie = 0x1c849303;
constexpr uint64_t kDeflatedCookie = 0x1c849304;
constexpr uint64_t kV1Cookie = 0x1c849301;
constexpr uint64_t kV1DeflatedCookie = 0x1c849302;
constexpr uint64_t kV0Cookie = 0x1c849308;
constexpr uint64_t kV0DeflatedCookie = 0x1c849309;
constexpr uint64_t kDoublesCookie = 0x0c72124e;
constexpr uint64_t kDoublesDeflatedCookie = 0x0c72124f;

constexpr size_t kHeaderSize = 40;
constexpr size_t kDeflatedHeaderSize = 8;  // cookie and length
constexpr size_t kLongestNumber = 9;

std::unexpected<std::string> wrong(std::string what) { return std::unexpected(std::move(what)); }

// --- Numbers

void put(std::string& bytes, uint64_t number, int size) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
    bytes += static_cast<char>(number >> shift & 0xff);
  }
}

// The number at that place, which there is. The size is 4 or 8.
uint64_t number_at(std::string_view bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (const char c : bytes.substr(at, size)) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

// ZigZag, then 7 bits a byte, least first; a ninth byte has 8.
void put_count(std::string& bytes, int64_t count) {
  auto left = static_cast<uint64_t>(count) << 1 ^ static_cast<uint64_t>(count >> 63);
  for (size_t size = 1; left > 0x7f && size < kLongestNumber; ++size, left >>= 7) {
    bytes += static_cast<char>(left | 0x80);
  }
  bytes += static_cast<char>(left);
}

// Takes a number from the front. Nothing if the bytes end before it does.
std::optional<int64_t> take_count(std::string_view& bytes) {
  uint64_t folded = 0;
  for (size_t i = 0; i < std::min(bytes.size(), kLongestNumber); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const bool is_ninth = i + 1 == kLongestNumber;
    folded |= static_cast<uint64_t>(is_ninth ? byte : byte & 0x7f) << (7 * i);
    if (!is_ninth && (byte & 0x80) != 0) continue;
    bytes.remove_prefix(i + 1);
    return static_cast<int64_t>(folded >> 1 ^ (0 - (folded & 1)));
  }
  return std::nullopt;
}

// --- The header

struct Header {
  HistogramOptions options;
  size_t counts_size;  // in bytes
};

std::string what_is(uint64_t cookie) {
  if (cookie == kDoublesCookie || cookie == kDoublesDeflatedCookie) {
    return "is a histogram of doubles, and those of whole numbers alone are read";
  }
  const uint64_t base = cookie & ~kWordSizeDigit;
  const char* version = base == kV1Cookie || base == kV1DeflatedCookie   ? "V1"
                        : base == kV0Cookie || base == kV0DeflatedCookie ? "V0"
                                                                         : nullptr;
  if (version != nullptr) {
    return std::string("is in the old format ") + version + ", and V2 alone is read";
  }
  char text[64];
  snprintf(text, sizeof(text), "is no HdrHistogram (it starts with 0x%08llx)",
           static_cast<unsigned long long>(cookie));
  return text;
}

bool is_cookie(uint64_t cookie, uint64_t base) { return (cookie & ~kWordSizeDigit) == base; }

std::expected<Header, std::string> read_header(std::string_view bytes) {
  if (bytes.size() < 4) return wrong("ends within its header");
  if (!is_cookie(number_at(bytes, 0, 4), kCookie)) return wrong(what_is(number_at(bytes, 0, 4)));
  if (bytes.size() < kHeaderSize) return wrong("ends within its header");
  if (number_at(bytes, 8, 4) != 0) return wrong("is shifted, which is not read");
  if (std::bit_cast<double>(number_at(bytes, 32, 8)) != 1) {
    return wrong("is scaled to doubles, which is not read");
  }
  const uint64_t digits = number_at(bytes, 12, 4);
  const HistogramOptions options = {.lowest = static_cast<int64_t>(number_at(bytes, 16, 8)),
                                    .highest = static_cast<int64_t>(number_at(bytes, 24, 8)),
                                    .digits = static_cast<int>(std::min<uint64_t>(digits, 99))};
  const HistogramLayout layout(options);
  if (layout.options() != options) {
    return wrong("has a layout that is not read (lowest " + std::to_string(options.lowest) +
                 ", highest " + std::to_string(options.highest) + ", digits " +
                 std::to_string(digits) + ")");
  }
  const uint64_t size = number_at(bytes, 4, 4);
  if (size > layout.size() * kLongestNumber) return wrong("claims more counts than its layout has");
  return Header{options, size};
}

const char* misfit(size_t size, size_t claimed) {
  return size < claimed ? "ends within its counts" : "does not end with its counts";
}

// --- The counts

std::expected<Histogram, std::string> read_counts(const HistogramOptions& options,
                                                  std::string_view bytes) {
  Histogram histogram(options);
  const HistogramLayout& layout = histogram.layout();
  Histogram::Bucket last = {};  // not recorded yet
  const auto record_last = [&](bool at_its_end) {
    if (last.count == 0) return;
    histogram.record(middle_of(last), last.count - (at_its_end ? 1 : 0));
    if (at_its_end) histogram.record(last.highest);
  };
  uint64_t total = 0;
  for (size_t index = 0; !bytes.empty();) {
    const auto number = take_count(bytes);
    if (!number) return wrong("ends within a count");
    const uint64_t zeros = *number < 0 ? 0 - static_cast<uint64_t>(*number) : 0;
    if (std::max<uint64_t>(zeros, 1) > layout.size() - index) {
      return wrong("has more counts than its layout");
    }
    const uint64_t count = *number < 0 ? 0 : static_cast<uint64_t>(*number);
    if (count > kMostValues - total) return wrong("has more than 2^63 values");
    if (count > 0) {
      record_last(false);
      last = {layout.lowest_at(index), layout.highest_at(index), count};
      total += count;
    }
    index += std::max<uint64_t>(zeros, 1);
  }
  record_last(true);
  return histogram;
}

// --- Inflation: in pieces of a known size, so that what claims little cannot become much.

class Inflater {
 public:
  explicit Inflater(std::string_view deflated) : input_(deflated) {
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(input_.size());
    result_ = inflateInit(&stream_);
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // The next bytes; fewer where they end or are broken.
  std::string take(size_t size) {
    std::string bytes(size, '\0');
    stream_.next_out = reinterpret_cast<Bytef*>(bytes.data());
    stream_.avail_out = static_cast<uInt>(size);
    while (result_ == Z_OK && stream_.avail_out > 0) result_ = inflate(&stream_, Z_NO_FLUSH);
    bytes.resize(size - stream_.avail_out);
    return bytes;
  }
  // Nothing comes any more, and the checksum was right.
  bool is_over() { return take(1).empty() && result_ == Z_STREAM_END && stream_.avail_in == 0; }

 private:
  std::string input_;
  z_stream stream_ = {};
  int result_;
};

std::expected<Histogram, std::string> decode_deflated(std::string_view deflated, size_t claimed) {
  if (deflated.size() != claimed) return wrong(misfit(deflated.size(), claimed));
  Inflater inflater(deflated);
  const std::string first = inflater.take(kHeaderSize);
  if (first.size() < kHeaderSize) return wrong("does not inflate to a header");
  const auto header = read_header(first);
  if (!header) return wrong(header.error());
  const std::string counts = inflater.take(header->counts_size);
  if (counts.size() < header->counts_size) return wrong("does not inflate to its counts");
  if (!inflater.is_over()) return wrong("does not end with its counts");
  return read_counts(header->options, counts);
}

}  // namespace

std::string encode_hdr(const Histogram& histogram) {
  const HistogramLayout& layout = histogram.layout();
  const auto counts = histogram.counts().first(
      layout.index_of(std::min(histogram.maximum(), layout.greatest())) + 1);
  std::string body;
  for (auto count = counts.begin(); count != counts.end();) {
    const auto next = std::find_if(count, counts.end(), [](uint64_t c) { return c != 0; });
    // One 0 stands for itself, more of them for their number.
    if (next - count > 1) put_count(body, -(next - count));
    if (next - count == 1) put_count(body, 0);
    if (next == counts.end()) break;
    put_count(body, static_cast<int64_t>(*next));
    count = next + 1;
  }
  std::string bytes;
  bytes.reserve(kHeaderSize + body.size());
  put(bytes, kCookie | kWordSize, 4);
  put(bytes, body.size(), 4);
  put(bytes, 0, 4);  // by how many counts it is shifted
  put(bytes, static_cast<uint64_t>(layout.options().digits), 4);
  put(bytes, static_cast<uint64_t>(layout.options().lowest), 8);
  put(bytes, static_cast<uint64_t>(layout.options().highest), 8);
  put(bytes, std::bit_cast<uint64_t>(1.0), 8);  // the ratio of integers to doubles
  return bytes + body;
}

std::string encode_hdr_deflated(const Histogram& histogram) {
  const std::string bytes = encode_hdr(histogram);
  uLongf size = compressBound(bytes.size());
  std::string body(size, '\0');
  // The least effort, since more makes counts no smaller. With room for the worst case it cannot
  // fail but for want of memory, as `new` does.
  if (compress2(reinterpret_cast<Bytef*>(body.data()), &size,
                reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), Z_BEST_SPEED) != Z_OK) {
    throw std::bad_alloc();
  }
  body.resize(size);
  std::string deflated;
  put(deflated, kDeflatedCookie | kWordSize, 4);
  put(deflated, size, 4);
  return deflated + body;
}

std::expected<Histogram, std::string> decode_hdr(std::string_view bytes) {
  if (bytes.size() >= kDeflatedHeaderSize && is_cookie(number_at(bytes, 0, 4), kDeflatedCookie)) {
    return decode_deflated(bytes.substr(kDeflatedHeaderSize), number_at(bytes, 4, 4));
  }
  const auto header = read_header(bytes);
  if (!header) return wrong(header.error());
  bytes.remove_prefix(kHeaderSize);
  if (bytes.size() != header->counts_size) return wrong(misfit(bytes.size(), header->counts_size));
  return read_counts(header->options, bytes);
}

std::string layout_text(const HistogramLayout& layout) {
  const HistogramOptions& options = layout.options();
  return std::to_string(options.digits) + (options.digits == 1 ? " digit, " : " digits, ") +
         std::to_string(options.lowest) + " to " + std::to_string(options.highest);
}

}  // namespace eddy::load
