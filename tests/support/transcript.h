// What a parser that is pulled makes of a stream, as text: a line a message, and the error that
// ends it, if one does. However the stream is cut, the text is to be the same.
#pragma once

#include <eddy/core/error.h>
#include <stddef.h>

#include <string>
#include <string_view>
#include <vector>

namespace eddy::test {

// The message at hand; each parser has its own.
template <typename Parser>
std::string text_of(Parser& parser);

// Each piece lies in memory of its own, of exactly its size.
template <typename Parser>
std::string transcript(Parser& parser, const std::vector<std::string_view>& pieces) {
  std::string text;
  const auto add_error = [&](const Error& error) { text += "error: " + error.message() + "\n"; };
  for (const std::string_view piece : pieces) {
    const std::vector<char> memory(piece.begin(), piece.end());
    std::string_view bytes(memory.data(), memory.size());
    for (;;) {
      auto event = parser.next(bytes);
      if (!event) {
        add_error(event.error());
        return text;
      }
      if (*event == Parser::Event::kNeedMore) break;
      text += text_of(parser) + "\n";
    }
    if (!bytes.empty()) text += "left: " + std::string(bytes) + "\n";
  }
  if (auto ok = parser.finish(); !ok) add_error(ok.error());
  return text;
}

template <typename Parser>
std::string transcript(const typename Parser::Options& options,
                       const std::vector<std::string_view>& pieces) {
  Parser parser(options);
  return transcript(parser, pieces);
}

inline std::vector<std::string_view> single_bytes(std::string_view stream) {
  std::vector<std::string_view> pieces;
  for (size_t i = 0; i < stream.size(); ++i) pieces.push_back(stream.substr(i, 1));
  return pieces;
}

// The transcript of the stream in one piece, or else the first one that differs from it, with how
// the stream was cut: in two pieces at each place, and byte by byte.
template <typename Parser>
std::string transcript_of_all_cuts(const typename Parser::Options& options,
                                   std::string_view stream) {
  const std::string whole = transcript<Parser>(options, {stream});
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    const std::string text =
        transcript<Parser>(options, {stream.substr(0, cut), stream.substr(cut)});
    if (text != whole) return "cut at " + std::to_string(cut) + ":\n" + text + "whole:\n" + whole;
  }
  const std::string text = transcript<Parser>(options, single_bytes(stream));
  return text == whole ? whole : "byte by byte:\n" + text + "whole:\n" + whole;
}

}  // namespace eddy::test
