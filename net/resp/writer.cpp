#include <eddy/net/resp/writer.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace eddy::resp {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

}  // namespace

Writer& Writer::append(std::string_view bytes) {
  if (string_ != nullptr) {
    string_->append(bytes);
  } else if (size_ < out_.size()) {
    const size_t room = out_.size() - size_;
    memcpy(out_.data() + size_, bytes.data(), std::min(room, bytes.size()));
  }
  size_ += bytes.size();
  return *this;
}

Writer& Writer::header(Type type, int64_t number) {
  std::array<char, 24> line;  // the type, 20 digits and the sign, CR LF
  line[0] = static_cast<char>(type);
  char* end = std::to_chars(line.data() + 1, line.data() + line.size(), number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return append({line.data(), end});
}

Writer& Writer::bulk(Type type, std::string_view bytes) {
  header(type, static_cast<int64_t>(bytes.size()));
  return append(bytes).append(kLineEnd);
}

Writer& Writer::simple(Type type, std::string_view text) {
  const char first = static_cast<char>(type);
  append({&first, 1});
  for (;;) {
    const size_t end = text.find_first_of(kLineEnd);
    append(text.substr(0, end));
    if (end == std::string_view::npos) return append(kLineEnd);
    append(" ");
    text.remove_prefix(end + 1);
  }
}

Writer& Writer::command(std::span<const std::string_view> arguments) {
  array(arguments.size());
  for (const std::string_view argument : arguments) bulk_string(argument);
  return *this;
}

Writer& Writer::null() { return append(is_resp3() ? "_\r\n" : "$-1\r\n"); }

Writer& Writer::null_array() { return append(is_resp3() ? "_\r\n" : "*-1\r\n"); }

Writer& Writer::boolean(bool value) {
  if (!is_resp3()) return integer(value ? 1 : 0);
  return append(value ? "#t\r\n" : "#f\r\n");
}

Writer& Writer::number(double value) {
  std::array<char, 32> digits;
  std::string_view text = "nan";  // without a sign
  if (!std::isnan(value)) {
    const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text = {digits.data(), end};
  }
  return is_resp3() ? simple(Type::kDouble, text) : bulk_string(text);
}

Writer& Writer::big_number(std::string_view digits) {
  return is_resp3() ? simple(Type::kBigNumber, digits) : bulk_string(digits);
}

Writer& Writer::bulk_error(std::string_view text) {
  return is_resp3() ? bulk(Type::kBulkError, text) : simple_error(text);
}

Writer& Writer::verbatim_string(std::string_view format, std::string_view text) {
  if (!is_resp3()) return bulk_string(text);
  header(Type::kVerbatimString, static_cast<int64_t>(format.size() + 1 + text.size()));
  return append(format).append(":").append(text).append(kLineEnd);
}

Writer& Writer::map(size_t pairs) {
  return is_resp3() ? header(Type::kMap, static_cast<int64_t>(pairs)) : array(2 * pairs);
}

Writer& Writer::set(size_t count) {
  return is_resp3() ? header(Type::kSet, static_cast<int64_t>(count)) : array(count);
}

Writer& Writer::push(size_t count) {
  return is_resp3() ? header(Type::kPush, static_cast<int64_t>(count)) : array(count);
}

Writer& Writer::attribute(size_t pairs) {
  return header(Type::kAttribute, static_cast<int64_t>(pairs));
}

}  // namespace eddy::resp
