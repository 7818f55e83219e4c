// Frames with their length in front: however the stream is cut, the same frames come out, and they
// are what the lengths say.
#include <errno.h>

#include "framing.h"

namespace {

using eddy::LengthFramingOptions;
using eddy::fuzz::Frames;

uint64_t read_length(std::string_view header, bool big_endian) {
  uint64_t length = 0;
  for (size_t i = 0; i < header.size(); ++i) {
    const size_t place = big_endian ? header.size() - 1 - i : i;
    length |= uint64_t{static_cast<unsigned char>(header[i])} << (8 * place);
  }
  return length;
}

Frames expected_frames(std::string_view stream, const LengthFramingOptions& options) {
  Frames expected;
  while (stream.size() >= options.header_bytes) {
    uint64_t length = read_length(stream.substr(0, options.header_bytes), options.big_endian);
    if (options.length_includes_header) {
      if (length < options.header_bytes) {
        expected.error = eddy::errno_code(EBADMSG);
        return expected;
      }
      length -= options.header_bytes;
    }
    if (length > options.max_frame_bytes) {
      expected.error = eddy::Errc::kOverLimit;
      return expected;
    }
    if (stream.size() - options.header_bytes < length) break;
    expected.frames.emplace_back(stream.substr(options.header_bytes, length));
    stream.remove_prefix(options.header_bytes + length);
  }
  expected.mid_frame = !stream.empty();
  return expected;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const LengthFramingOptions options = {.header_bytes = input.ConsumeIntegralInRange(1U, 8U),
                                        .big_endian = input.ConsumeBool(),
                                        .length_includes_header = input.ConsumeBool(),
                                        .max_frame_bytes = input.ConsumeIntegral<uint16_t>()};
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const std::string stream = input.ConsumeRemainingBytesAsString();
  eddy::LengthFramer framer(options);
  FUZZ_CHECK(eddy::fuzz::feed(framer, stream, cuts) == expected_frames(stream, options));
  eddy::fuzz::check_copies(framer, stream.size());
  return 0;
}
