// Frames with a delimiter behind: however the stream is cut, the same frames come out, and they are
// what stands between the delimiters.
#include "framing.h"

namespace {

using eddy::DelimiterFramingOptions;
using eddy::fuzz::Frames;

Frames expected_frames(std::string_view stream, const DelimiterFramingOptions& options) {
  Frames expected;
  for (;;) {
    const size_t end = stream.find(options.delimiter);
    const size_t length =
        end == std::string_view::npos
            ? stream.size() - std::min(stream.size(), options.delimiter.size() - 1)
            : end;
    if (length > options.max_frame_bytes) {
      expected.error = eddy::Errc::kOverLimit;
      return expected;
    }
    if (end == std::string_view::npos) break;
    expected.frames.emplace_back(stream.substr(0, end));
    stream.remove_prefix(end + options.delimiter.size());
  }
  expected.mid_frame = !stream.empty();
  return expected;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  DelimiterFramingOptions options;
  options.max_frame_bytes = input.ConsumeIntegral<uint16_t>();
  const auto cuts = eddy::fuzz::draw_cuts(input);
  const auto delimiter_bytes = input.ConsumeIntegralInRange<size_t>(1, 4);
  options.delimiter = input.ConsumeBytesAsString(delimiter_bytes);
  if (options.delimiter.empty()) return 0;
  const std::string stream = input.ConsumeRemainingBytesAsString();
  eddy::DelimiterFramer framer(options);
  FUZZ_CHECK(eddy::fuzz::feed(framer, stream, cuts) == expected_frames(stream, options));
  eddy::fuzz::check_copies(framer, stream.size());
  return 0;
}
