// What is said on a connection, and what must be answered: read from a file before a run.
//
//   send "GET {key}\r\n"
//   expect line "VALUE *"      # a line, without its CR LF; * stands for any bytes
//   expect until "\r\n.\r\n"   # whatever comes, to these bytes and with them
//   expect bytes 16            # so many, whatever they are
//   expect "OK\r\n"            # these very bytes
//   loop 10 { send "more\r\n" expect "OK\r\n" }
//   expect end                 # the server ends its side; only as the last step
//
// Once through it is one request. Between quotes stand \n, \r, \t, \0, \xHH, and \ before any other
// character; and {seq} (the number of the request), {connection}, {key} (one of --keys, as --zipf
// has them), {value} (--size bytes that do not look alike) and {random:1-100}. But for the last
// one, each is the same throughout a pass, so that it can be expected, too.
//
// A script that has been read is whole: nothing of it is parsed, looked up or allocated while it is
// played. Threads: it does not change; any thread may read it.
#pragma once

#include <eddy/core/error.h>
#include <stddef.h>
#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

namespace eddy::load {

struct ScriptPart {
  enum class Kind : uint8_t { kBytes, kSeq, kConnection, kKey, kValue, kRandom, kStar };
  Kind kind = Kind::kBytes;
  std::string bytes;  // of kBytes
  uint64_t from = 0;  // of kRandom, both included
  uint64_t to = 0;
};

using ScriptText = std::vector<ScriptPart>;

struct ScriptStep {
  enum class Kind : uint8_t {
    kSend,   // texts[0]
    kExact,  // texts[0]
    kLine,   // what stands around the stars, in texts
    kUntil,  // texts[0], which is bytes alone; borders
    kBytes,  // count
    kEnd,
  };
  Kind kind = Kind::kSend;
  uint32_t line = 0;  // of the file
  uint64_t count = 0;
  std::vector<ScriptText> texts{};
  // Of each beginning of the bytes, the length of the longest one that it ends with, itself not
  // counted (Knuth, Morris, Pratt: "Fast pattern matching in strings", 1977).
  std::vector<uint32_t> borders{};
};

class Script {
 public:
  // `name` is the file's, for errors, which have line and column.
  static Result<Script> parse(std::string_view text, const std::string& name);
  static Result<Script> read(const std::string& file);

  // With loops as often as they are gone through.
  size_t size() const { return order_.size(); }
  const ScriptStep& operator[](size_t place) const { return steps_[order_[place]]; }

  // So many steps come before anything is expected: they send.
  size_t opening() const { return opening_; }
  // It sends, and after that only reads: several requests can be in flight on a connection.
  bool is_one_turn() const { return is_one_turn_; }

 private:
  friend class ScriptReader;
  std::vector<ScriptStep> steps_;
  std::vector<uint32_t> order_;
  size_t opening_ = 0;
  bool is_one_turn_ = true;
};

}  // namespace eddy::load
