#include <eddy/core/check.h>
#include <eddy/net/memcached/writer.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace eddy::memcached {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

bool is_key(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxKeyBytes && std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > ' ' && byte != 0x7f;
  });
}

Writer& Writer::put(std::string_view bytes) {
  if (string_ != nullptr) {
    string_->append(bytes);
  } else if (size_ < out_.size()) {
    memcpy(out_.data() + size_, bytes.data(), std::min(out_.size() - size_, bytes.size()));
  }
  size_ += bytes.size();
  return *this;
}

template <typename Number>
Writer& Writer::number_word(Number number) {
  std::array<char, 24> text;  // a blank, 20 digits and the sign
  text[0] = ' ';
  return put({text.data(), std::to_chars(text.data() + 1, text.data() + text.size(), number).ptr});
}

Writer& Writer::key_word(std::string_view key) {
  EDDY_REQUIRE(is_key(key), "a key of memcached has 1 to 250 bytes, none of them a blank");
  return word(key);
}

Writer& Writer::keys(std::string_view command, std::span<const std::string_view> all) {
  put(command);
  for (const std::string_view key : all) key_word(key);
  return put(kLineEnd);
}

Writer& Writer::store(std::string_view command, std::string_view key, std::string_view value,
                      const Storing& how, std::optional<uint64_t> cas) {
  put(command).key_word(key).number_word(how.flags).number_word(how.expires.count());
  number_word(value.size());
  if (cas) number_word(*cas);
  return put(kLineEnd).put(value).put(kLineEnd);
}

Writer& Writer::remove(std::string_view key) { return put("delete").key_word(key).put(kLineEnd); }

Writer& Writer::count(std::string_view command, std::string_view key, uint64_t by) {
  return put(command).key_word(key).number_word(by).put(kLineEnd);
}

Writer& Writer::touch(std::string_view key, std::chrono::seconds expires) {
  return put("touch").key_word(key).number_word(expires.count()).put(kLineEnd);
}

Writer& Writer::status(ReplyType type) { return put(word_of(type)).put(kLineEnd); }

Writer& Writer::status(ReplyType type, std::string_view text) {
  put(word_of(type)).put(" ");
  for (;;) {
    const size_t end = text.find_first_of(kLineEnd);
    put(text.substr(0, end));
    if (end == std::string_view::npos) return put(kLineEnd);
    put(" ");
    text.remove_prefix(end + 1);
  }
}

Writer& Writer::value(std::string_view key, std::string_view bytes, uint32_t flags,
                      std::optional<uint64_t> cas) {
  put("VALUE").key_word(key).number_word(flags).number_word(bytes.size());
  if (cas) number_word(*cas);
  return put(kLineEnd).put(bytes).put(kLineEnd);
}

Writer& Writer::number(uint64_t value) {
  std::array<char, 20> text;
  const char* const end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return put({text.data(), end}).put(kLineEnd);
}

}  // namespace eddy::memcached
