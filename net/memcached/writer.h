// Messages of memcached's text protocol, written: commands by clients, replies by servers.
//
// What it is: a small object over a std::string, to which it appends, or over memory of the
// caller's. It allocates nothing but what the string grows by: who clears the string and writes
// into it again allocates nothing per message.
//
//   std::string out;
//   Writer writer(out);
//   writer.set(key, value, {.expires = 60s}).get({"a", "b"});
//   writer.value("a", "1").status(ReplyType::kValues);
//
// Memory that is too small: what goes beyond it is not written, but counted in size(), and fits()
// is false from then on; what is there ends amid a message.
//
// Keys are as is_key has them. Who takes them from elsewhere asks it first: a blank or a line end
// in a key makes another command of what follows. A debug build of eddy stops there.
//
// Lifetime: the string or the memory must outlive the writer. Threads: one at a time.
#pragma once

#include <eddy/net/memcached/reply_parser.h>
#include <stddef.h>
#include <stdint.h>

#include <chrono>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eddy::memcached {

inline constexpr size_t kMaxKeyBytes = 250;

// 1 to 250 bytes, without blanks and control characters.
bool is_key(std::string_view text) noexcept;

// What is stored beside a value.
struct Storing {
  uint32_t flags = 0;  // the client's own
  // 0: never. Up to 30 days it is a time to live, beyond a time since the epoch; below 0: at once.
  std::chrono::seconds expires{0};
};

class Writer {
 public:
  explicit Writer(std::string& out) noexcept : string_(&out) {}
  explicit Writer(std::span<char> out) noexcept : out_(out) {}

  // Bytes written by this object, also those that did not fit.
  size_t size() const noexcept { return size_; }
  bool fits() const noexcept { return string_ != nullptr || size_ <= out_.size(); }

  // --- Commands
  Writer& get(std::string_view key) { return keys("get", {&key, 1}); }
  Writer& get(std::span<const std::string_view> all) { return keys("get", all); }
  Writer& get(std::initializer_list<std::string_view> all) {
    return keys("get", {all.begin(), all.size()});
  }
  // … with each value's cas.
  Writer& gets(std::string_view key) { return keys("gets", {&key, 1}); }
  Writer& gets(std::span<const std::string_view> all) { return keys("gets", all); }
  Writer& set(std::string_view key, std::string_view value, const Storing& how = {}) {
    return store("set", key, value, how, std::nullopt);
  }
  // Only if the key is not there, or only if it is.
  Writer& add(std::string_view key, std::string_view value, const Storing& how = {}) {
    return store("add", key, value, how, std::nullopt);
  }
  Writer& replace(std::string_view key, std::string_view value, const Storing& how = {}) {
    return store("replace", key, value, how, std::nullopt);
  }
  // Only if nobody has stored it since gets told this `cas`.
  Writer& cas(std::string_view key, std::string_view value, uint64_t cas, const Storing& how = {}) {
    return store("cas", key, value, how, cas);
  }
  Writer& append(std::string_view key, std::string_view value) {
    return store("append", key, value, {}, std::nullopt);
  }
  Writer& prepend(std::string_view key, std::string_view value) {
    return store("prepend", key, value, {}, std::nullopt);
  }
  Writer& remove(std::string_view key);  // delete
  Writer& incr(std::string_view key, uint64_t by) { return count("incr", key, by); }
  Writer& decr(std::string_view key, uint64_t by) { return count("decr", key, by); }
  Writer& touch(std::string_view key, std::chrono::seconds expires);
  Writer& version() { return put("version\r\n"); }

  // --- Replies. CR and LF in a text are written as blanks: they would end it.
  // A line without a text; kValues is END, which ends what get is answered with.
  Writer& status(ReplyType type);
  Writer& value(std::string_view key, std::string_view bytes, uint32_t flags = 0,
                std::optional<uint64_t> cas = std::nullopt);
  Writer& number(uint64_t value);
  // kVersion, kClientError or kServerError.
  Writer& status(ReplyType type, std::string_view text);

 private:
  Writer& keys(std::string_view command, std::span<const std::string_view> all);
  Writer& store(std::string_view command, std::string_view key, std::string_view value,
                const Storing& how, std::optional<uint64_t> cas);
  Writer& count(std::string_view command, std::string_view key, uint64_t by);
  Writer& word(std::string_view text) { return put(" ").put(text); }
  Writer& key_word(std::string_view key);
  template <typename Number>
  Writer& number_word(Number number);
  Writer& put(std::string_view bytes);

  std::string* string_ = nullptr;
  std::span<char> out_;
  size_t size_ = 0;
};

}  // namespace eddy::memcached
