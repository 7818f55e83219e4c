#include <eddy/net/resp/inline_command_internal.h>

namespace eddy::resp {
namespace {

// As redis-server has it: \v and \f go by between words, but do not end one.
bool is_blank(char character) noexcept {
  return std::string_view(" \t\r\n\v\f").contains(character);
}
bool ends_word(char character) noexcept { return std::string_view(" \t\r").contains(character); }

int hex_value(char character) noexcept {
  if (character >= '0' && character <= '9') return character - '0';
  const auto lower = static_cast<char>(character | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char unescaped(char character) noexcept {
  switch (character) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return character;
  }
}

// What begins with a backslash, within "…".
char take_escape(std::string_view& line) {
  line.remove_prefix(1);
  if (line.size() >= 3 && line[0] == 'x') {
    const int high = hex_value(line[1]);
    const int low = hex_value(line[2]);
    if (high >= 0 && low >= 0) {
      line.remove_prefix(3);
      return static_cast<char>(high * 16 + low);
    }
  }
  const char character = unescaped(line[0]);
  line.remove_prefix(1);
  return character;
}

// From an opening quote to behind the closing one. False: there is none, or what follows it is no
// blank.
bool take_quoted(std::string_view& line, std::string& text) {
  const char quote = line[0];
  line.remove_prefix(1);
  while (!line.empty() && line[0] != quote) {
    const bool is_escape = line[0] == '\\' && line.size() > 1 && (quote == '"' || line[1] == quote);
    if (is_escape) {
      text += take_escape(line);
    } else {
      text += line[0];
      line.remove_prefix(1);
    }
  }
  if (line.empty()) return false;
  line.remove_prefix(1);
  return line.empty() || is_blank(line[0]);
}

}  // namespace

const char* split_inline(std::string_view line, std::string& text,
                         std::vector<ArgumentRange>& ranges) {
  if (line.find('\0') != std::string_view::npos) return "There is a NUL in it";
  for (;;) {
    while (!line.empty() && is_blank(line[0])) line.remove_prefix(1);
    if (line.empty()) return nullptr;
    const size_t begin = text.size();
    while (!line.empty() && !ends_word(line[0])) {
      if (line[0] == '"' || line[0] == '\'') {
        if (!take_quoted(line, text)) return "Its quotes do not match";
        break;
      }
      text += line[0];
      line.remove_prefix(1);
    }
    ranges.push_back({begin, text.size() - begin});
  }
}

}  // namespace eddy::resp
