#include <eddy/core/framing.h>

#include <errno.h>

#include <algorithm>
#include <utility>

#include <eddy/core/check.h>
#include <eddy/core/error.h>

namespace eddy {
namespace {

constexpr uint64_t kLeastCapacity = 64;

// The first `size` bytes of `input`, which then begins behind them.
Slice take_front(Slice& input, size_t size) {
  Slice front = input.subslice(0, size);
  input.remove_prefix(size);
  return front;
}

}  // namespace

void PartialFrame::append(std::string_view bytes, uint64_t frame_bytes) {
  const size_t needed = bytes_.size() + bytes.size();
  if (needed > bytes_.capacity()) {
    copied_bytes_ += bytes_.size();
    bytes_.reserve(std::max(std::min<uint64_t>(frame_bytes, 2 * needed), kLeastCapacity));
  }
  copied_bytes_ += bytes.size();
  bytes_.append(bytes);
}

Slice PartialFrame::finish(size_t dropped) {
  bytes_.resize(bytes_.size() - dropped);
  return Slice::adopt(std::exchange(bytes_, {}));
}

LengthFramer::LengthFramer(const LengthFramingOptions& options) : options_(options) {
  EDDY_REQUIRE(options.header_bytes >= 1 && options.header_bytes <= 8,
               "a LengthFramer was made with header_bytes that are not 1 to 8");
}

// True once the header is complete and its length will do.
bool LengthFramer::read_header(Slice& input) {
  if (header_received_ == options_.header_bytes) return true;
  while (header_received_ < options_.header_bytes) {
    if (input.empty()) return false;
    const uint64_t byte = static_cast<unsigned char>(*input.data());
    input.remove_prefix(1);
    if (options_.big_endian) {
      length_ = length_ << 8 | byte;
    } else {
      length_ |= byte << (8 * header_received_);
    }
    ++header_received_;
  }
  check_length();
  return !error_;
}

void LengthFramer::check_length() {
  if (options_.length_includes_header) {
    if (length_ < options_.header_bytes) {
      error_ = errno_code(EBADMSG);
      return;
    }
    length_ -= options_.header_bytes;
  }
  if (length_ > options_.max_frame_bytes) error_ = Errc::kOverLimit;
}

std::optional<Slice> LengthFramer::next(Slice& input) {
  try {
    return take_frame(input);
  } catch (const std::bad_alloc&) {
    error_ = errno_code(ENOMEM);
    input = {};
    return std::nullopt;
  }
}

std::optional<Slice> LengthFramer::take_frame(Slice& input) {
  if (error_ || !read_header(input)) {
    input = {};
    return std::nullopt;
  }
  const size_t missing = length_ - partial_.size();
  if (input.size() < missing) {
    partial_.append(input.view(), length_);
    input = {};
    return std::nullopt;
  }
  Slice frame = take_front(input, missing);
  if (!partial_.empty()) {
    partial_.append(frame.view(), length_);
    frame = partial_.finish(0);
  }
  header_received_ = 0;
  length_ = 0;
  return frame;
}

DelimiterFramer::DelimiterFramer(DelimiterFramingOptions options) : options_(std::move(options)) {
  EDDY_REQUIRE(!options_.delimiter.empty(), "a DelimiterFramer was made with an empty delimiter");
  // So that the sum with the delimiter's size does not overflow.
  options_.max_frame_bytes = std::min(options_.max_frame_bytes, SIZE_MAX / 2);
}

// In what is held, only a delimiter that began in its last bytes is looked for.
size_t end_of_delimiter(std::string_view held, std::string_view arrived,
                        std::string_view delimiter) {
  const size_t begun = std::min(held.size(), delimiter.size() - 1);
  if (begun > 0) {
    std::string seam(held.substr(held.size() - begun));
    seam += arrived.substr(0, delimiter.size() - 1);
    const size_t found = seam.find(delimiter);
    if (found != std::string::npos) return found + delimiter.size() - begun;
  }
  const size_t found = arrived.find(delimiter);
  return found == std::string_view::npos ? 0 : found + delimiter.size();
}

std::optional<Slice> DelimiterFramer::next(Slice& input) {
  try {
    return take_frame(input);
  } catch (const std::bad_alloc&) {
    error_ = errno_code(ENOMEM);
    input = {};
    return std::nullopt;
  }
}

std::optional<Slice> DelimiterFramer::take_frame(Slice& input) {
  if (error_ || input.empty()) {
    input = {};
    return std::nullopt;
  }
  const size_t delimiter_bytes = options_.delimiter.size();
  // A frame of the greatest size, with its delimiter, ends within this many bytes of the input.
  const size_t allowed = options_.max_frame_bytes + delimiter_bytes - partial_.size();
  const size_t end =
      end_of_delimiter(partial_.view(), input.view().substr(0, allowed), options_.delimiter);
  if (end == 0) {
    if (input.size() < allowed) {
      partial_.append(input.view());
    } else {
      error_ = Errc::kOverLimit;
    }
    input = {};
    return std::nullopt;
  }
  Slice frame = take_front(input, end);
  if (partial_.empty()) return frame.subslice(0, end - delimiter_bytes);
  partial_.append(frame.view());
  return partial_.finish(delimiter_bytes);
}

}  // namespace eddy
