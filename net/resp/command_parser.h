// Commands of Redis clients out of a stream of bytes, for servers: arrays of bulk strings, and
// inline commands, as redis-server takes them.
//
// What it is: an object a connection, fed with the bytes as they arrive, from which one takes whole
// commands:
//
//   CommandParser parser({});
//   on_data = [&](Stream& client, Slice slice) {
//     std::string_view bytes = slice.view();
//     for (;;) {
//       auto event = parser.next(bytes);
//       if (!event) return refuse(client, event.error());
//       if (*event == CommandParser::Event::kNeedMore) return;       // `bytes` is empty
//       execute(client, parser.arguments());                         // "SET", "key", "value"
//     }
//   }
//   on_end = [&](Stream& client) { auto ok = parser.finish(); … }
//
// How the stream was cut into pieces makes no difference to what comes out. Several commands in one
// piece (pipelining) come one after the other. As with redis-server, empty lines and arrays without
// elements are no commands, and are skipped.
//
// An inline command is a line of words with blanks between them, which ends with LF or CR LF.
// Quotes keep blanks in a word: within "…" stand \n, \r, \t, \b, \a, \xHH and \ before any other
// character, within '…' \' alone; behind the closing quote a blank or the end must follow.
//
// Failure: an Error with a code of resp_category(), the place as its subject ("byte 17", counted
// from the connection's first), and what was met as its advice. Stricter than redis-server in two
// things: a bulk string must be followed by CR LF, and no inline command has a NUL. Each further
// call gives the same error: answer with it and close the connection. Without memory the code is
// ENOMEM.
//
// Memory: a command of bulk strings that lies whole in the bytes given is not copied: its arguments
// are views of those bytes. One that was cut is gathered in the parser, in memory that grows with
// the bytes that arrive (not with the lengths that they announce); inline commands are copied.
// Memory is reused: once it has seen the longest command of a connection it allocates nothing.
//
// Lifetime: arguments() hold from kCommand to the next call of next(), and while the bytes given to
// it do; they end with the parser, or with its being moved.
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

struct ArgumentRange {  // where an argument lies
  size_t begin;
  size_t size;
};

class CommandParser {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // everything has been taken, and the command goes on (or the next has not begun)
    kCommand,   // arguments() are there, one at least
  };

  struct Options {
    size_t max_line_bytes = size_t{64} * 1024;  // of an inline command, of a length; 32 at least
    size_t max_arguments = size_t{1} << 20;     // of a command of bulk strings
    size_t max_bulk_bytes = size_t{512} << 20;  // of an argument
    size_t max_command_bytes = size_t{1} << 30;
  };

  explicit CommandParser(const Options& options);

  // Parses from the front of `bytes` to the end of a command, and removes what it has taken. Call
  // it until it gives kNeedMore.
  Result<Event> next(std::string_view& bytes);

  // The client has ended its input, and next() has given kNeedMore. An error: it ended amid a
  // command (kUnexpectedEnd).
  Result<void> finish();

  // As new, with its options and its memory: for another connection.
  void reset() noexcept;

  // At kCommand: the command's name, as it was written, and what stands behind it.
  std::span<const std::string_view> arguments() const noexcept { return arguments_; }

 private:
  enum class State : uint8_t { kStart, kLength, kBody, kComplete };

  void parse(std::string_view& bytes);
  bool take_whole(std::string_view& bytes);
  void begin_command() noexcept;
  void advance(std::string_view text);
  bool take_line(std::string_view text);
  bool take_body(std::string_view text);
  void begin_array(std::string_view count);
  void begin_bulk(std::string_view length);
  void take_inline(std::string_view line);
  size_t wanted(std::string_view bytes) const noexcept;
  void set_arguments(std::string_view text);
  void fail(std::error_code code, size_t position, const char* advice) noexcept;
  Result<Event> failed() const;

  Options options_;
  std::string held_;    // what has come of a command that was cut
  std::string inline_;  // the arguments of an inline command
  std::vector<ArgumentRange> ranges_;
  std::vector<std::string_view> arguments_;
  // Positions count from where the command begins.
  size_t position_ = 0;  // up to where it is parsed
  size_t searched_ = 0;  // up to where there is no LF
  size_t body_size_ = 0;
  uint64_t arguments_left_ = 0;
  uint64_t offset_ = 0;  // of the command, from the connection's first byte
  State state_ = State::kStart;

  std::error_code failure_;
  uint64_t failure_offset_ = 0;
  const char* advice_ = "";  // a literal
};

}  // namespace eddy::resp
