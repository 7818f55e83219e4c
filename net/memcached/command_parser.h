// Commands of memcached's clients out of a stream of bytes, for servers: the classic text protocol
// (doc/protocol.txt of memcached 1.6; its meta commands are another).
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
//       execute(client, parser.words(), parser.value());             // "set", "key", "0", "0", "5"
//     }
//   }
//   on_end = [&](Stream& client) { auto ok = parser.finish(); … }
//
// A command is a line of words with blanks between them, which ends with LF or CR LF; behind that
// of set, add, replace, append, prepend and cas stands a value as long as its fifth word says, and
// CR LF. What the words mean is for the server to say, which answers ERROR to names that it does
// not know: among them is a line without a word. How the stream was cut into pieces makes no
// difference to what comes out. Several commands in one piece (pipelining) come one after the
// other.
//
// Failure: an Error with a code of memcached_category(), the place as its subject ("byte 17",
// counted from the connection's first), and what was met as its advice. Where memcached itself
// answers CLIENT_ERROR to a length that is none, and takes the value for commands, the parser
// ends. Each further call gives the same error: answer with it and close the connection. Without
// memory the code is ENOMEM.
//
// Memory: a command that lies whole in the bytes given is not copied: its words and its value are
// views of those bytes. One that was cut is gathered in the parser, in memory that grows with the
// bytes that arrive (not with the lengths that they announce) and is reused: once it has seen the
// longest command of a connection it allocates nothing.
//
// Lifetime: words() and value() hold from kCommand to the next call of next(), and while the bytes
// given to it do; they end with the parser, or with its being moved.
//
// Threads: one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/memcached/error.h>
#include <stddef.h>
#include <stdint.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::memcached {

class CommandParser {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // everything has been taken, and the command goes on (or the next has not begun)
    kCommand,   // words() and value() are there
  };

  struct Options {
    size_t max_line_bytes = size_t{64} * 1024;  // 32 at least
    size_t max_value_bytes = size_t{1} << 20;   // as memcached's own, unless told otherwise
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
  std::span<const std::string_view> words() const noexcept { return words_; }
  // … and what is to be stored; empty for other commands.
  std::string_view value() const noexcept { return value_; }
  // The client wants no answer: the last word says so.
  bool is_noreply() const noexcept { return words_.size() > 1 && words_.back() == "noreply"; }

 private:
  enum class State : uint8_t { kLine, kValue, kComplete };

  void parse(std::string_view& bytes);
  void begin_command() noexcept;
  void advance(std::string_view text);
  bool take_line(std::string_view text);
  bool take_value(std::string_view text);
  size_t wanted(std::string_view bytes) const noexcept;
  void set_words(std::string_view line);
  void fail(std::error_code code, size_t position, const char* advice) noexcept;
  Result<Event> failed() const;

  Options options_;
  std::string held_;  // what has come of a command that was cut
  std::vector<std::string_view> words_;
  std::string_view value_;
  // Positions count from where the command begins.
  size_t line_bytes_ = 0;   // of it, with its end
  size_t value_bytes_ = 0;  // of it, without
  size_t searched_ = 0;     // up to where there is no LF
  uint64_t offset_ = 0;     // of the command, from the connection's first byte
  State state_ = State::kLine;

  std::error_code failure_;
  uint64_t failure_offset_ = 0;
  const char* advice_ = "";  // a literal
};

}  // namespace eddy::memcached
