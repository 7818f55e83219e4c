// What a MessageParser gives for some bytes, as one text, however they are cut into pieces.
#pragma once

#include <eddy/net/http/message_parser.h>
#include <stddef.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace eddy::http::test {

// The pieces of a body are joined, so that the text is the same for every way to cut:
//   [GET /a Host=b] body(abc) message(keep-alive) …
// and at the end an error's message, or "left: " and what is behind an upgrade, which is not tried
// to parse.
class Transcript {
 public:
  explicit Transcript(const MessageParser::Options& options) : parser_(options) {}

  MessageParser& parser() { return parser_; }
  bool ended() const { return failed_ || !left_.empty(); }  // by an error or an upgrade

  void feed(std::string_view piece) {
    if (failed_) return;
    // In memory of its own, so that a sanitizer sees a byte read too many.
    const std::string bytes(piece);
    std::string_view rest = bytes;
    while (left_.empty()) {
      const auto event = parser_.next(rest);
      if (!event) return fail(event.error());
      if (*event == MessageParser::Event::kNeedMore) return;
      tell(*event);
      if (*event == MessageParser::Event::kMessage && parser_.is_upgrade()) left_ = "left: ";
    }
    left_ += rest;
  }

  void finish() {
    while (!ended()) {
      const auto event = parser_.finish();
      if (!event) return fail(event.error());
      if (*event == MessageParser::Event::kNeedMore) return;
      tell(*event);
    }
  }

  std::string text() const { return text_ + left_; }

 private:
  void fail(const Error& error) {
    failed_ = true;
    text_ += error.message();
  }

  void tell(MessageParser::Event event) {
    const auto field = [&](std::string_view name, std::string_view value) {
      text_.append(" ").append(name).append("=").append(value);
    };
    if (event == MessageParser::Event::kHead) {
      text_ += parser_.status() == 0
                   ? "[" + std::string(parser_.method()) + " " + std::string(parser_.target())
                   : "[" + std::to_string(parser_.status()) + " " + std::string(parser_.reason());
      parser_.for_each_header(field);
      text_ += "] ";
    } else if (event == MessageParser::Event::kBody) {
      if (text_.ends_with(") ") && in_body_) {
        text_.resize(text_.size() - 2);
      } else {
        text_ += "body(";
      }
      text_.append(parser_.body()).append(") ");
    } else {
      text_ += parser_.keep_alive() ? "message(keep-alive" : "message(close";
      parser_.for_each_trailer(field);
      text_ += ") ";
    }
    in_body_ = event == MessageParser::Event::kBody;
  }

  MessageParser parser_;
  std::string text_;
  std::string left_;
  bool in_body_ = false;
  bool failed_ = false;
};

// The transcript of `bytes` in pieces of `piece_bytes`.
inline std::string transcript_of(const MessageParser::Options& options, std::string_view bytes,
                                 size_t piece_bytes = SIZE_MAX, bool expect_no_body = false) {
  Transcript transcript(options);
  transcript.parser().expect_no_body(expect_no_body);
  for (size_t at = 0; at < bytes.size(); at += std::min(piece_bytes, bytes.size() - at)) {
    transcript.feed(bytes.substr(at, piece_bytes));
  }
  transcript.finish();
  return transcript.text();
}

}  // namespace eddy::http::test
