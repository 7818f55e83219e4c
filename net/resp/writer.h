// Messages of the Redis protocol, written: commands by clients, replies by servers.
//
// What it is: a small object over a std::string, to which it appends, or over memory of the
// caller's. It allocates nothing but what the string grows by: who clears the string and writes
// into it again allocates nothing per message.
//
//   std::string out;
//   Writer writer(out);
//   writer.command({"SET", key, value});
//   writer.array(2).bulk_string("a").integer(1);
//
// Memory that is too small: what goes beyond it is not written, but counted in size(), and fits()
// is false from then on; what is there ends amid a message.
//
// Aggregates are written as their header, and the caller writes the values: array(2) wants two
// more, map(2) two pairs. Nothing checks that they come.
//
// Under RESP2, which has no such types, the values of RESP3 are written as redis-server writes
// them: a null as "$-1", a boolean as 0 or 1, doubles, big numbers and verbatim strings as bulk
// strings, bulk errors as simple ones, maps, sets and pushes as arrays. Attributes have no such
// form: who speaks RESP2 writes none.
//
// Lifetime: the string or the memory must outlive the writer. Threads: one at a time.
#pragma once

#include <eddy/net/resp/reply_parser.h>
#include <stddef.h>
#include <stdint.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace eddy::resp {

enum class Version : uint8_t { kResp2 = 2, kResp3 = 3 };

class Writer {
 public:
  explicit Writer(std::string& out, Version version = Version::kResp2) noexcept
      : string_(&out), version_(version) {}
  explicit Writer(std::span<char> out, Version version = Version::kResp2) noexcept
      : out_(out), version_(version) {}

  // The client asked for another one (HELLO).
  void set_version(Version version) noexcept { version_ = version; }

  // Bytes written by this object, also those that did not fit.
  size_t size() const noexcept { return size_; }
  bool fits() const noexcept { return string_ != nullptr || size_ <= out_.size(); }

  // A command: its name, and its arguments.
  Writer& command(std::span<const std::string_view> arguments);
  Writer& command(std::initializer_list<std::string_view> arguments) {
    return command(std::span(arguments.begin(), arguments.size()));
  }

  // CR and LF in the text of the first two are written as blanks: they would end it.
  Writer& simple_string(std::string_view text) { return simple(Type::kSimpleString, text); }
  Writer& simple_error(std::string_view text) { return simple(Type::kSimpleError, text); }
  Writer& integer(int64_t value) { return header(Type::kInteger, value); }
  Writer& bulk_string(std::string_view bytes) { return bulk(Type::kBulkString, bytes); }
  Writer& array(size_t count) { return header(Type::kArray, static_cast<int64_t>(count)); }
  Writer& null();
  Writer& null_array();  // RESP2's "*-1", of a BLPOP that timed out
  Writer& boolean(bool value);
  Writer& number(double value);                 // the shortest text that reads as the same
  Writer& big_number(std::string_view digits);  // as it stands
  Writer& bulk_error(std::string_view text);
  // `format` has three bytes: "txt" or "mkd".
  Writer& verbatim_string(std::string_view format, std::string_view text);
  Writer& map(size_t pairs);
  Writer& set(size_t count);
  Writer& push(size_t count);
  Writer& attribute(size_t pairs);

 private:
  bool is_resp3() const noexcept { return version_ == Version::kResp3; }
  Writer& simple(Type type, std::string_view text);
  Writer& bulk(Type type, std::string_view bytes);
  Writer& header(Type type, int64_t number);
  Writer& append(std::string_view bytes);

  std::string* string_ = nullptr;
  std::span<char> out_;
  size_t size_ = 0;
  Version version_;
};

}  // namespace eddy::resp
