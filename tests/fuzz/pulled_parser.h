// A parser that is pulled is fed with a stream in one piece and in many: what comes out is
// to be the same.
#pragma once

#include <eddy/core/error.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz.h"

namespace eddy::fuzz {

struct Messages {
  std::vector<std::string> messages;
  std::error_code error;
  std::string place;  // of the error
  bool operator==(const Messages&) const = default;
};

// Each piece in memory of its own, of exactly its size; the last one is what the cuts leave.
template <typename Parser, typename TextOf>
Messages feed_cut(const typename Parser::Options& options, std::string_view stream,
                  std::vector<size_t> cuts, const TextOf& text_of) {
  Parser parser(options);
  Messages found;
  cuts.push_back(stream.size());
  for (const size_t cut : cuts) {
    const std::string_view piece = stream.substr(0, cut);
    stream.remove_prefix(piece.size());
    const std::vector<char> memory(piece.begin(), piece.end());
    std::string_view bytes(memory.data(), memory.size());
    for (;;) {
      const auto event = parser.next(bytes);
      if (!event) {
        found.error = event.error().code();
        found.place = event.error().subject();
        return found;
      }
      if (*event == Parser::Event::kNeedMore) break;
      found.messages.push_back(text_of(parser));
    }
    FUZZ_CHECK(bytes.empty());
  }
  if (auto ok = parser.finish(); !ok) found.error = ok.error().code();
  return found;
}

// What comes out of the whole stream, and out of it cut so, and byte by byte.
template <typename Parser, typename TextOf>
Messages check_cuts(const typename Parser::Options& options, std::string_view stream,
                    const std::vector<size_t>& cuts, const TextOf& text_of) {
  Messages whole = feed_cut<Parser>(options, stream, {}, text_of);
  FUZZ_CHECK(whole == feed_cut<Parser>(options, stream, cuts, text_of));
  const std::vector<size_t> single(stream.size(), 1);
  FUZZ_CHECK(whole == feed_cut<Parser>(options, stream, single, text_of));
  return whole;
}

}  // namespace eddy::fuzz
