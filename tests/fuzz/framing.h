// A framer is fed with a stream in pieces, and its frames are compared with those of a second way
// to find them, which sees the whole stream at once.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/framing.h>

#include <string>
#include <string_view>
#include <vector>

#include "fuzz.h"

namespace eddy::fuzz {

struct Frames {
  std::vector<std::string> frames;
  std::error_code error;
  bool mid_frame = false;  // meaningless after an error

  bool operator==(const Frames& other) const {
    return frames == other.frames && error == other.error &&
           (error || mid_frame == other.mid_frame);
  }
};

// Each piece in memory of its own, of exactly its size.
template <typename Framer>
Frames feed(Framer& framer, std::string_view stream, const std::vector<size_t>& cuts) {
  Frames found;
  const size_t stream_bytes = stream.size();
  const auto feed_piece = [&](std::string_view bytes) {
    Slice piece = Slice::copy_of(bytes);
    while (auto frame = framer.next(piece)) found.frames.emplace_back(frame->view());
    FUZZ_CHECK(piece.empty());
    FUZZ_CHECK(framer.held_bytes() <= stream_bytes);
  };
  for (const size_t cut : cuts) {
    const size_t size = std::min(cut, stream.size());
    feed_piece(stream.substr(0, size));
    stream.remove_prefix(size);
  }
  feed_piece(stream);
  found.error = framer.error();
  found.mid_frame = framer.mid_frame();
  return found;
}

// Bytes are copied when they straddle, and once more when their memory grows.
template <typename Framer>
void check_copies(const Framer& framer, size_t stream_bytes) {
  FUZZ_CHECK(framer.copied_bytes() <= 3 * stream_bytes);
}

}  // namespace eddy::fuzz
