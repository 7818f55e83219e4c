// Messages out of a stream of bytes: framed by a length in front, or by a delimiter behind.
//
// What it is: an object a connection, fed with the slices as they arrive, which gives the frames in
// them:
//
//   struct Session { DelimiterFramer framer{{.max_frame_bytes = 4096}}; };
//   on_data = [](Stream& peer, Slice bytes) {
//     auto& framer = peer.state<Session>().framer;
//     while (auto frame = framer.next(bytes)) answer(peer, *frame);
//     if (framer.error()) peer.reset();
//   }
//
// How the stream was cut into slices makes no difference to what comes out.
//
// Memory: a frame that lies within one slice, with its delimiter, is a part of that slice and is
// not copied. One that straddles slices is gathered in memory of its own, on the heap, so that it
// pins no segment while the rest of it is on its way. That memory grows with the bytes that arrive,
// to at most double their number, whatever length a header has promised.
//
// Failure: a frame above the limit is Errc::kOverLimit; a length that cannot be is EBADMSG; ENOMEM.
// Where the next frame begins is unknown after that, so the framer gives nothing any more: reset or
// close the stream.
//
// Threads: that of the slices.
#pragma once

#include <eddy/core/slice.h>
#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace eddy {

// A frame that has not arrived completely.
class PartialFrame {
 public:
  // `frame_bytes`: the size of the whole frame, where it is known.
  void append(std::string_view bytes, uint64_t frame_bytes = UINT64_MAX);
  // What was appended, without the last `dropped` bytes; the next frame begins.
  Slice finish(size_t dropped);

  std::string_view view() const noexcept { return bytes_; }
  size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }
  uint64_t copied_bytes() const noexcept { return copied_bytes_; }

 private:
  std::string bytes_;
  uint64_t copied_bytes_ = 0;
};

struct LengthFramingOptions {
  unsigned header_bytes = 4;  // 1 to 8
  bool big_endian = true;
  bool length_includes_header = false;
  size_t max_frame_bytes = 1024 * 1024;  // without the header
};

// Frames that begin with their length, an unsigned number. What is given is what follows the
// header; it may be empty.
class LengthFramer {
 public:
  explicit LengthFramer(const LengthFramingOptions& options = {});

  // Takes the next frame from the front of `input`. Nothing: all of `input` has been taken, and
  // `input` is empty, since the frame goes on; or there is an error().
  std::optional<Slice> next(Slice& input);

  std::error_code error() const noexcept { return error_; }
  // The stream stands within a frame: its end here would cut that off.
  bool mid_frame() const noexcept { return header_received_ > 0; }
  // Bytes that are kept of a frame that has not arrived completely.
  size_t held_bytes() const noexcept { return partial_.size(); }
  // All bytes that were ever copied, those that moved when the memory of a frame grew included.
  uint64_t copied_bytes() const noexcept { return partial_.copied_bytes(); }

 private:
  std::optional<Slice> take_frame(Slice& input);
  bool read_header(Slice& input);
  void check_length();

  LengthFramingOptions options_;
  unsigned header_received_ = 0;
  uint64_t length_ =
      0;  // from the header as far as it has come, then the frame's without the header
  PartialFrame partial_;
  std::error_code error_;
};

// How many of the arrived bytes there are up to the end of the first delimiter; 0 if there is none.
// In what is held, the bytes before them, there is none.
size_t end_of_delimiter(std::string_view held, std::string_view arrived,
                        std::string_view delimiter);

struct DelimiterFramingOptions {
  std::string delimiter = "\n";          // not empty
  size_t max_frame_bytes = 1024 * 1024;  // without the delimiter
};

// Frames that end with a delimiter. What is given is what stands before it; it may be empty.
class DelimiterFramer {
 public:
  explicit DelimiterFramer(DelimiterFramingOptions options = {});

  // As LengthFramer's.
  std::optional<Slice> next(Slice& input);
  std::error_code error() const noexcept { return error_; }
  bool mid_frame() const noexcept { return !partial_.empty(); }
  size_t held_bytes() const noexcept { return partial_.size(); }
  uint64_t copied_bytes() const noexcept { return partial_.copied_bytes(); }

 private:
  std::optional<Slice> take_frame(Slice& input);

  DelimiterFramingOptions options_;
  PartialFrame partial_;  // holds no whole delimiter
  std::error_code error_;
};

}  // namespace eddy
