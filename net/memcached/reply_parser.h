// Replies of a memcached server out of a stream of bytes, for clients: the classic text protocol
// (doc/protocol.txt of memcached 1.6; its meta commands are another).
//
// What it is: an object a connection, fed with the bytes as they arrive, from which one takes
// whole replies:
//
//   ReplyParser parser({.keep_values = true});
//   on_data = [&](Stream& server, Slice slice) {
//     std::string_view bytes = slice.view();
//     for (;;) {
//       auto event = parser.next(bytes);
//       if (!event) return server.reset();
//       if (*event == ReplyParser::Event::kNeedMore) return;         // `bytes` is empty
//       for (const auto& value : parser.values()) found(parser.key_of(value),
//       parser.bytes_of(value));
//     }
//   }
//   on_end = [&](Stream& server) { auto ok = parser.finish(); … }
//
// How the stream was cut into pieces makes no difference to what comes out. Several replies in one
// piece (pipelining) come one after the other. What get and gets are answered with, VALUE after
// VALUE and END, is one reply; so it is where the server met an error in its midst, and says that
// in the place of END. The replies to `stats`, which are not told from others by themselves, are
// refused.
//
// Failure: an Error with a code of memcached_category(), the place as its subject ("byte 17",
// counted from the connection's first), and what was met as its advice. Where the next reply would
// begin is unknown after that, so each further call gives the same error: close the connection.
// Without memory the code is ENOMEM.
//
// Memory: what is kept of a reply is copied into the parser, into memory that grows with the bytes
// that arrive (not with the lengths that they announce) and is reused: once it has seen the longest
// reply of a connection it allocates nothing. Without values kept, their bytes are not even looked
// at.
//
// Lifetime: what the accessors give is of the reply at hand, from kReply to the next call of
// next(); text lies in the parser, and so goes where it is moved or ends.
//
// Threads: one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/memcached/error.h>
#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::memcached {

enum class ReplyType : uint8_t {
  kValues,  // END, with a VALUE before it for each key that is there
  kStored,
  kNotStored,
  kExists,
  kNotFound,
  kDeleted,
  kTouched,
  kOk,
  kNumber,   // of incr and decr
  kVersion,  // text()
  kError,    // ERROR: no such command
  kClientError,
  kServerError,
};

// What a line of this type begins with; empty for a number.
std::string_view word_of(ReplyType type) noexcept;

class ReplyParser {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // everything has been taken, and the reply goes on (or the next has not begun)
    kReply,     // a reply is complete
  };

  struct Options {
    // Keeps keys and values. Otherwise there is what else a reply says: the least work.
    bool keep_values = false;
    size_t max_line_bytes = 2048;                  // 32 at least
    uint64_t max_value_bytes = uint64_t{1} << 30;  // of one value: as much as memcached's own -I
    size_t max_values = size_t{1} << 20;           // in a reply
    size_t max_kept_bytes = size_t{1} << 30;       // of a reply's keys and values
  };

  struct Value {
    uint32_t flags = 0;  // as they were stored
    bool has_cas = false;
    uint64_t cas = 0;  // of gets
    size_t begin = 0;  // where its key lies in the parser: key_of, bytes_of
    size_t key_bytes = 0;
    size_t bytes = 0;
  };

  explicit ReplyParser(const Options& options);

  // Parses from the front of `bytes` to the end of a reply, and removes what it has taken. Call it
  // until it gives kNeedMore.
  Result<Event> next(std::string_view& bytes);

  // The server has ended its input, and next() has given kNeedMore. An error: it ended amid a reply
  // (kUnexpectedEnd).
  Result<void> finish();

  // As new, with its options and its memory: for another connection.
  void reset() noexcept;

  // Of the reply at hand.
  ReplyType type() const noexcept { return type_; }
  bool is_error() const noexcept { return type_ >= ReplyType::kError; }
  uint64_t number() const noexcept { return number_; }    // of kNumber
  size_t value_count() const noexcept { return count_; }  // VALUEs in it, kept or not
  // Of an error and a version its line: "SERVER_ERROR out of memory", "VERSION 1.6.18".
  std::string_view text() const noexcept {
    return std::string_view(text_).substr(std::min(kept_, text_.size()));
  }

  // If keep_values, in the order in which they came.
  std::span<const Value> values() const noexcept { return values_; }
  std::string_view key_of(const Value& value) const noexcept {
    return std::string_view(text_).substr(value.begin, value.key_bytes);
  }
  std::string_view bytes_of(const Value& value) const noexcept {
    return std::string_view(text_).substr(value.begin + value.key_bytes, value.bytes);
  }

 private:
  void parse(std::string_view& bytes);
  void begin_reply() noexcept;
  void take_line(std::string_view& bytes);
  void take_body(std::string_view& bytes);
  void begin_value(std::string_view fields, uint64_t offset);
  void end_reply(std::string_view line, uint64_t offset);
  void fail(std::error_code code, uint64_t offset, const char* advice) noexcept;
  Result<Event> failed() const;

  Options options_;
  std::string line_;  // the pieces of a line that was cut
  std::string text_;  // keys and values, and then the text of an error or a version
  std::vector<Value> values_;
  size_t kept_ = 0;  // bytes of keys and values in text_
  size_t count_ = 0;
  uint64_t number_ = 0;
  uint64_t body_left_ = 0;  // of a value, with its CR LF
  uint64_t offset_ = 0;     // bytes taken since the connection began
  ReplyType type_ = ReplyType::kOk;
  bool is_between_ = true;  // replies: the next byte begins one

  std::error_code failure_;
  uint64_t failure_offset_ = 0;
  const char* advice_ = "";  // a literal
};

}  // namespace eddy::memcached
