// Replies of a Redis server out of a stream of bytes, for clients: RESP2 and RESP3 (the
// "Redis serialization protocol specification").
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
//       if (!parser.is_push()) answer(parser.is_error(), parser.value());
//     }
//   }
//   on_end = [&](Stream& server) { auto ok = parser.finish(); … }
//
// How the stream was cut into pieces makes no difference to what comes out. Several replies in one
// piece (pipelining) come one after the other. A reply comes when all of it has come, with what is
// nested in it; a push (RESP3) comes as a reply of its own, which answers no command. Attributes
// (RESP3) go before a value and are no values: type() and its like are of the value behind them.
//
// Streamed strings and aggregates of RESP3 ("$?", "*?"), which no server sends so far, are refused
// with Errc::kStreamed.
//
// Failure: an Error with a code of resp_category(), the place as its subject ("byte 17", counted
// from the connection's first), and what was met as its advice. Where the next reply would begin is
// unknown after that, so each further call gives the same error: close the connection. Without
// memory the code is ENOMEM.
//
// Memory: what is kept of a reply is copied into the parser, into memory that grows with the bytes
// that arrive (not with the lengths that they announce) and is reused: once it has seen the longest
// reply of a connection it allocates nothing. Without values kept, the bytes of bulk strings are
// not even looked at.
//
// Lifetime: what the accessors give is of the reply at hand, from kReply to the next call of
// next(); text lies in the parser, and so goes where it is moved or ends.
//
// Threads: one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/resp/error.h>
#include <stddef.h>
#include <stdint.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::resp {

// By the byte that a value begins with.
enum class Type : char {
  kSimpleString = '+',
  kSimpleError = '-',
  kInteger = ':',
  kBulkString = '$',
  kArray = '*',
  // RESP3
  kNull = '_',
  kBoolean = '#',
  kDouble = ',',
  kBigNumber = '(',
  kBulkError = '!',
  kVerbatimString = '=',  // its first four bytes are its format: "txt:", "mkd:"
  kMap = '%',
  kSet = '~',
  kAttribute = '|',
  kPush = '>',
};

class ReplyParser {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // everything has been taken, and the reply goes on (or the next has not begun)
    kReply,     // a reply is complete
  };

  struct Options {
    // Keeps the bytes of the values, and the nested ones as nodes. Otherwise there are the type,
    // the number and, of an error, its text: the least work.
    bool keep_values = false;
    size_t max_line_bytes = size_t{64} * 1024;  // of simple strings, numbers, lengths; 32 at least
    uint64_t max_bulk_bytes = uint64_t{512} << 20;  // of one bulk string: as redis-server's own
    size_t max_elements = size_t{16} << 20;         // values in a reply, nested ones included
    size_t max_depth = 32;                          // aggregates in one another
    size_t max_kept_bytes = size_t{512} << 20;      // of a reply's values, at most 4 GiB - 1
  };

  // Of an error's text so much is kept, without values kept.
  static constexpr size_t kMaxErrorBytes = 256;

  // A value of a reply.
  struct Node {
    Type type = Type::kNull;
    bool is_null = false;  // "_", and RESP2's "$-1" and "*-1"
    uint32_t begin = 0;    // where its bytes lie in the parser: value_of
    uint32_t size = 0;
    // Of an integer its value; of a boolean 0 or 1; of an aggregate how many values it has, of a
    // map or an attribute two a pair.
    int64_t integer = 0;
    double number = 0;  // of a double
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
  Type type() const noexcept { return root_.type; }
  bool is_error() const noexcept {
    return type() == Type::kSimpleError || type() == Type::kBulkError;
  }
  bool is_push() const noexcept { return type() == Type::kPush; }
  bool is_null() const noexcept { return root_.is_null; }
  int64_t integer() const noexcept { return root_.integer; }  // as Node's
  double number() const noexcept { return root_.number; }     // of a double
  // The bytes of a string, an error or a number as it was sent, if keep_values; otherwise of an
  // error alone, at most kMaxErrorBytes of it.
  std::string_view value() const noexcept { return value_of(root_); }

  // If keep_values: all values in the order in which they were sent, so behind an aggregate stand
  // its values, each with its own behind it. The reply's attributes go before it.
  std::span<const Node> nodes() const noexcept { return nodes_; }
  std::string_view value_of(const Node& node) const noexcept {
    return std::string_view(text_).substr(node.begin, node.size);
  }

 private:
  struct Frame {  // an aggregate that goes on
    uint64_t left;
    bool is_attribute;
  };

  bool take_whole(std::string_view& bytes) noexcept;
  void parse(std::string_view& bytes);
  void begin_reply() noexcept;
  void take_line(std::string_view& bytes);
  void take_body(std::string_view& bytes);
  void begin_value(Type type, std::string_view text, uint64_t offset);
  void begin_bulk(Type type, std::string_view text, uint64_t offset);
  void begin_aggregate(Type type, std::string_view text, uint64_t offset);
  bool read_scalar(Node& node, std::string_view text) const;
  bool add(Node& node, uint64_t bytes, uint64_t offset);
  void end_value() noexcept;
  void fail(std::error_code code, uint64_t offset, const char* advice) noexcept;
  Result<Event> failed() const;

  Options options_;
  std::string line_;           // the pieces of a line that was cut
  std::string text_;           // the bytes of the values
  std::vector<Node> nodes_;    // if keep_values
  std::vector<Frame> frames_;  // outermost first
  Node root_;
  uint64_t body_left_ = 0;  // of a bulk string, with its CR LF
  uint64_t keep_left_ = 0;  // of it, what goes into text_
  size_t elements_ = 0;     // of this reply so far
  uint64_t offset_ = 0;     // bytes taken since the connection began
  bool is_between_ = true;  // replies: the next byte begins one

  std::error_code failure_;
  uint64_t failure_offset_ = 0;
  const char* advice_ = "";  // a literal
};

}  // namespace eddy::resp
