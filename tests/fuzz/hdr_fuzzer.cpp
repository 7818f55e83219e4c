// HdrHistogram's formats: whatever is read can be written and read again, and everything else is
// refused in a line. An input is bytes of a histogram, or of one that is deflated first, or the
// lines of a log.
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "fuzz.h"
#include "load/base64.h"
#include "load/hdr_codec.h"
#include "load/hdr_log.h"
#include "load/hdr_percentiles.h"

namespace {

using namespace eddy::load;  // NOLINT: what is tested here
using eddy::Histogram;

void check_line(const std::string& line) {
  FUZZ_CHECK(!line.empty() && line.size() < 1000);
  FUZZ_CHECK(std::ranges::none_of(line, [](char c) { return c >= 0 && c < ' '; }));
}

void check_histogram(const Histogram& histogram) {
  uint64_t total = 0;
  histogram.for_each([&](const Histogram::Bucket& bucket) { total += bucket.count; });
  FUZZ_CHECK(total == histogram.count());
  // Of more values, a double cannot tell the last.
  FUZZ_CHECK(histogram.percentile(100) == histogram.maximum() || total >> 50 != 0);
  FUZZ_CHECK(histogram.percentile(0) <= histogram.minimum());
  const std::string bytes = encode_hdr(histogram);
  for (const std::string& again : {bytes, encode_hdr_deflated(histogram)}) {
    const auto decoded = decode_hdr(again);
    FUZZ_CHECK(decoded && decoded->layout() == histogram.layout() && encode_hdr(*decoded) == bytes);
  }
  FUZZ_CHECK(percentile_distribution(histogram).size() < 100'000);
}

void check_bytes(std::string_view bytes) {
  if (const auto histogram = decode_hdr(bytes)) {
    check_histogram(*histogram);
  } else {
    check_line(histogram.error());
  }
}

std::string deflated(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string body(size, '\0');
  FUZZ_CHECK(compress(reinterpret_cast<Bytef*>(body.data()), &size,
                      reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) == Z_OK);
  body.resize(size);
  std::string header = "\x1c\x84\x93\x14";
  for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(size >> shift & 0xff);
  return header + body;
}

void check_log(std::string_view text) {
  const int fd = memfd_create("log", MFD_CLOEXEC);
  FUZZ_CHECK(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  auto log = HdrLogReader::open(path);
  FUZZ_CHECK(log);
  while (true) {
    const auto record = log->next();
    if (record && !*record) break;
    if (!record) {
      check_line(record.error());
      FUZZ_CHECK(record.error().starts_with(path + ":"));
      continue;
    }
    FUZZ_CHECK(is_log_tag((*record)->interval.tag));
    FUZZ_CHECK((*record)->interval.length.count() >= 0);
    check_histogram((*record)->histogram);
  }
  close(fd);
}

void check_base64(std::string_view text) {
  FUZZ_CHECK(decode_base64(encode_base64(text)) == text);
  if (const auto bytes = decode_base64(text)) FUZZ_CHECK(bytes->size() <= text.size());
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0]) {
    case 'b': check_bytes(bytes); break;
    case 'd': check_bytes(deflated(bytes)); break;
    case 'l': check_log(bytes); break;
    default: check_base64(bytes);
  }
  return 0;
}
