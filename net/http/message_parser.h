// HTTP/1.0 and HTTP/1.1 messages out of a stream of bytes (RFC 9112), requests or responses.
//
// What it is: an object a connection and direction, fed with the bytes as they arrive, from which
// one takes what happens in them:
//
//   MessageParser parser({.type = MessageParser::Type::kRequest});
//   on_data = [&](Stream& peer, Slice slice) {
//     std::string_view bytes = slice.view();
//     for (;;) {
//       auto event = parser.next(bytes);
//       if (!event) return peer.reset();
//       if (*event == MessageParser::Event::kNeedMore) return;       // `bytes` is empty
//       if (*event == MessageParser::Event::kMessage) answer(peer, parser.target());
//     }
//   }
//   on_end = [&](Stream& peer) { auto event = parser.finish(); … }
//
// How the stream was cut into pieces makes no difference to what comes out, but for the pieces in
// which a body comes. Several messages in one piece (pipelining) come one after the other.
//
// Strict: what two readers could understand differently is refused, since that is how requests are
// smuggled: a length that is given twice or beside Transfer-Encoding, a bare CR or LF, a folded
// header, white space before a colon, and so on. Any version but HTTP/1.0 and HTTP/1.1 is refused,
// and so is a method that llhttp does not know. Only where a response's headers are not kept,
// folded headers and lines that end with a bare LF pass, as a user agent may let them
// (sections 2.2, 5.2).
//
// Failure: an Error with a code of http_category(), the place as its subject ("byte 17", counted
// from the connection's first), and what was met as its advice. Where the next message would begin
// is unknown after that, so each further call gives the same error: close the connection.
//
// Memory: the fields of a head are copied into the parser, into memory that it reuses and that
// max_head_bytes bounds; of a body nothing is kept. Once it has seen the longest head of a
// connection it allocates nothing.
//
// Lifetime: what the accessors give is of the message at hand, from kHead to the next call of
// next() after its kMessage; the text lies in the parser, and so goes where it is moved or ends,
// except body(), which lies in the bytes that were given.
//
// Threads: one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/http/error.h>
#include <stddef.h>
#include <stdint.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::http {

class MessageParser {
 public:
  enum class Type : uint8_t { kRequest, kResponse };

  enum class Event : uint8_t {
    kNeedMore,  // everything has been taken, and the message goes on (or the next has not begun)
    kHead,      // the start line and the headers are there (if keep_headers)
    kBody,      // body() is the next piece of the body, never empty (if want_body)
    kMessage,   // the message is complete
  };

  struct Options {
    Type type = Type::kRequest;
    // Of a head, its line ends and empty lines before it included; also of what stands between two
    // pieces of a chunked body (sizes, extensions), and of the trailers.
    size_t max_head_bytes = size_t{64} * 1024;
    // Without headers kept and without a body wanted, kMessage alone comes: the least work.
    bool keep_headers = true;
    bool want_body = true;
    // Interim responses (1xx, RFC 9110, section 15.2) come as messages of their own. Otherwise they
    // are skipped; 101, which is the last response of its connection, never is.
    bool want_interim = false;
  };

  explicit MessageParser(const Options& options);

  // Parses from the front of `bytes` to the next event, and removes what it has taken. Call it
  // until it gives kNeedMore, also when `bytes` is empty: an event may need no further byte.
  Result<Event> next(std::string_view& bytes);

  // The peer has ended its input, and next() has given kNeedMore. kMessage: a response ended with
  // the connection, as one without a length does (RFC 9112, section 6.3, item 8). kNeedMore: no
  // message had begun. An error: it ended amid a message (kInvalidEofState).
  Result<Event> finish();

  // As new, with its options and its memory: for another connection.
  void reset();

  // The responses to come answer HEAD requests: whatever their headers say, they have no body
  // (RFC 9110, section 6.4.1). Holds until it is changed, at a time when no response is amid. That
  // 1xx, 204 and 304 have none the parser knows by itself.
  void expect_no_body(bool expected) noexcept { expect_no_body_ = expected; }

  // Of the head.
  int minor_version() const noexcept { return minor_version_; }  // of HTTP/1.x
  unsigned status() const noexcept { return status_; }           // of a response
  std::string_view reason() const noexcept;                      // of a response, if keep_headers
  std::string_view method() const noexcept;                      // of a request: "GET"
  std::string_view target() const noexcept;                      // of a request, as it was sent
  // None where there is no Content-Length; of a response to HEAD, what it says.
  std::optional<uint64_t> content_length() const noexcept;
  bool is_chunked() const noexcept { return is_chunked_; }
  // A CONNECT, or a request or a 101 to go on in another protocol. Behind kMessage, the bytes that
  // are left are of that protocol; who does not go over to it calls next(), and goes on in HTTP.
  bool is_upgrade() const noexcept { return is_upgrade_; }

  // The headers, if keep_headers. Values are without white space around them.
  std::optional<std::string_view> header(std::string_view name) const noexcept;
  size_t header_count() const noexcept { return header_count_; }
  // function(std::string_view name, std::string_view value), in the order in which they were sent.
  template <typename Function>
  void for_each_header(Function&& function) const {
    for (size_t i = 0; i < header_count_; ++i) function(name_of(fields_[i]), value_of(fields_[i]));
  }

  // The fields behind a chunked body (RFC 9112, section 7.1.2), at kMessage, if keep_headers.
  std::optional<std::string_view> trailer(std::string_view name) const noexcept;
  template <typename Function>
  void for_each_trailer(Function&& function) const {
    for (size_t i = header_count_; i < fields_.size(); ++i) {
      function(name_of(fields_[i]), value_of(fields_[i]));
    }
  }

  // At kBody: the piece, without the chunks' framing.
  std::string_view body() const noexcept { return body_; }
  // Of this message's body so far, wanted or not.
  uint64_t body_bytes() const noexcept { return body_bytes_; }

  // At kMessage: the connection may carry another one (RFC 9112, section 9.3). If not, any further
  // byte is an error.
  bool keep_alive() const noexcept { return keep_alive_; }

 private:
  struct Callbacks;  // llhttp's

  struct Field {  // where it lies in text_
    uint32_t name_begin;
    uint32_t name_end;
    uint32_t value_begin;
    uint32_t value_end;
  };

  void begin_message() noexcept;
  bool skips_this() const noexcept;
  // Whether lines are looked through for what llhttp lets pass.
  bool strict_lines() const noexcept {
    return options_.keep_headers || options_.type == Type::kRequest;
  }
  void parse(std::string_view& bytes);
  void check_framing(std::string_view taken);
  void end_head();
  void fail(std::error_code code, uint64_t offset, const char* advice) noexcept;
  Error error() const;

  std::string_view part(uint32_t begin, uint32_t end) const noexcept {
    return std::string_view(text_).substr(begin, end - begin);
  }
  std::string_view name_of(const Field& field) const noexcept {
    return part(field.name_begin, field.name_end);
  }
  std::string_view value_of(const Field& field) const noexcept {
    return part(field.value_begin, field.value_end);
  }
  std::optional<std::string_view> find(size_t first, size_t last,
                                       std::string_view name) const noexcept;

  // An llhttp_t. Between two calls it holds no pointer that leads to this object.
  static constexpr size_t kLlhttpBytes = 104;
  alignas(8) std::array<std::byte, kLlhttpBytes> llhttp_;

  Options options_;
  std::string text_;  // the target or the reason, then names and values
  std::vector<Field> fields_;
  std::string_view body_;
  uint64_t body_bytes_ = 0;
  uint64_t content_length_ = 0;
  uint64_t offset_ = 0;  // bytes taken since the connection began
  // Bytes that are none of a body's, since the message began, its head ended, or a piece of its
  // body.
  size_t framing_bytes_ = 0;
  size_t header_count_ = 0;
  uint32_t start_end_ = 0;  // in text_
  uint16_t status_ = 0;
  uint8_t minor_version_ = 0;
  Event event_ = Event::kNeedMore;  // what llhttp stopped for
  bool expect_no_body_ = false;
  bool head_complete_ = false;
  bool field_open_ = false;
  bool has_length_ = false;
  bool is_chunked_ = false;
  bool is_upgrade_ = false;
  bool keep_alive_ = false;
  char last_framing_byte_ = 0;

  std::error_code failure_;
  uint64_t failure_offset_ = 0;
  const char* advice_ = "";  // a literal
};

}  // namespace eddy::http
