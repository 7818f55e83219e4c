#include "load/script.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "load/text_file.h"

namespace eddy::load {
namespace {

using Part = ScriptPart::Kind;
using Step = ScriptStep::Kind;

constexpr size_t kMostSteps = 100'000;

bool is_word(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const auto lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? std::optional<unsigned>(lower - 'a' + 10) : std::nullopt;
}

void append(ScriptText& text, char byte) {
  if (text.empty() || text.back().kind != Part::kBytes) text.push_back({});
  text.back().bytes += byte;
}

std::vector<uint32_t> borders_of(std::string_view bytes) {
  std::vector<uint32_t> borders(bytes.size());
  uint32_t border = 0;
  for (size_t i = 1; i < bytes.size(); ++i) {
    while (border > 0 && bytes[i] != bytes[border]) border = borders[border - 1];
    if (bytes[i] == bytes[border]) ++border;
    borders[i] = border;
  }
  return borders;
}

bool has(const ScriptText& text, Part kind) {
  return std::ranges::any_of(text, [&](const ScriptPart& part) { return part.kind == kind; });
}

}  // namespace

// Reads a script's text from its front. What is wrong with it is in `error` with the place where it
// was met, and nothing that is read after that counts.
class ScriptReader {
 public:
  ScriptReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Result<Script> read() {
    read_steps(0);
    if (!error_) finish();
    if (error_) return std::unexpected(*error_);
    return std::move(script_);
  }

 private:
  void fail(size_t at, std::string why) {
    if (error_) return;
    const std::string_view before = text_.substr(0, at);
    const auto line = static_cast<size_t>(std::ranges::count(before, '\n')) + 1;
    const size_t column = at - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    error_ =
        Error(std::make_error_code(std::errc::invalid_argument), "script",
              name_ + ":" + std::to_string(line) + ":" + std::to_string(column), std::move(why));
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (std::string_view(" \t\r\n").contains(text_[at_])) {
        if (text_[at_++] == '\n') ++line_;
      } else {
        return;
      }
    }
  }

  std::string_view take_word() {
    const size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  uint64_t take_number(uint64_t most) {
    skip_blanks();
    uint64_t number = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (code != std::errc() || number == 0 || number > most) {
      fail(at_, "a number from 1 to " + std::to_string(most) + " is expected");
    } else {
      at_ += static_cast<size_t>(end - begin);
    }
    return number;
  }

  // Steps up to the end, or to the } of a loop.
  void read_steps(int depth) {
    for (;;) {
      skip_blanks();
      if (error_ || at_ == text_.size()) {
        if (depth > 0) fail(at_, "the } of a loop is missing");
        return;
      }
      const size_t begin = at_;
      if (depth > 0 && text_[at_] == '}') return static_cast<void>(++at_);
      const std::string_view word = take_word();
      if (word == "send") {
        add({.kind = Step::kSend, .texts = {take_bytes()}});
      } else if (word == "expect") {
        read_expect();
      } else if (word == "loop") {
        read_loop(depth);
      } else {
        fail(begin, "send, expect or loop is expected");
      }
    }
  }

  void read_loop(int depth) {
    const size_t begin = at_;
    constexpr int kDeepest = 16;
    const uint64_t times = take_number(kMostSteps);
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != '{') return fail(at_, "the { of a loop is expected");
    if (depth == kDeepest) return fail(at_, "loops lie too deep in one another");
    ++at_;
    std::vector<uint32_t>& order = script_.order_;
    const size_t first = order.size();
    read_steps(depth + 1);
    const size_t length = order.size() - first;
    if (length * times > kMostSteps - first) {
      return fail(begin, "with this loop there are more than 100000 steps");
    }
    for (size_t i = length; i < length * times; ++i) order.push_back(order[first + i % length]);
  }

  void read_expect() {
    skip_blanks();
    const size_t begin = at_;
    const std::string_view word = take_word();
    if (word == "bytes") {
      add({.kind = Step::kBytes, .count = take_number(UINT32_MAX)});
    } else if (word == "end") {
      add({.kind = Step::kEnd});
    } else if (word == "line") {
      add_line();
    } else if (word == "until") {
      add_until();
    } else if (word.empty()) {
      ScriptText text = take_bytes();
      if (has(text, Part::kRandom)) return fail(begin, "nobody knows a {random} to expect");
      add({.kind = Step::kExact, .texts = {std::move(text)}});
    } else {
      fail(begin, "a text, bytes, end, line or until is expected");
    }
  }

  void add_line() {
    skip_blanks();
    const size_t begin = at_;
    ScriptStep step = {.kind = Step::kLine, .texts = {{}}};
    for (ScriptPart& part : take_text(true)) {
      if (part.kind == Part::kRandom) return fail(begin, "nobody knows a {random} to expect");
      if (part.bytes.contains('\n')) return fail(begin, "a line has no end within");
      if (part.kind == Part::kStar) {
        step.texts.emplace_back();
      } else {
        step.texts.back().push_back(std::move(part));
      }
    }
    add(std::move(step));
  }

  void add_until() {
    skip_blanks();
    const size_t begin = at_;
    ScriptText text = take_text(false);
    if (text.size() != 1 || text[0].kind != Part::kBytes) {
      return fail(begin, "what is waited for is bytes, and one at least");
    }
    std::vector<uint32_t> borders = borders_of(text[0].bytes);
    add({.kind = Step::kUntil, .texts = {std::move(text)}, .borders = std::move(borders)});
  }

  ScriptText take_bytes() {
    skip_blanks();
    const size_t begin = at_;
    ScriptText text = take_text(false);
    if (text.empty()) fail(begin, "there is nothing in this text");
    return text;
  }

  // "…", with stars where it is a pattern.
  ScriptText take_text(bool has_stars) {
    skip_blanks();
    ScriptText text;
    const size_t begin = at_;
    if (at_ == text_.size() || text_[at_] != '"') {
      fail(at_, "a text in \" is expected");
      return text;
    }
    for (++at_; !error_;) {
      if (at_ == text_.size() || text_[at_] == '\n') {
        fail(begin, "the \" at the end of this text is missing");
        break;
      }
      const char c = text_[at_++];
      if (c == '"') break;
      if (c == '{') {
        text.push_back(take_template());
      } else if (c == '*' && has_stars) {
        text.push_back({.kind = Part::kStar});
      } else {
        append(text, c == '\\' ? take_escaped() : c);
      }
    }
    return text;
  }

  // What follows a backslash.
  char take_escaped() {
    if (at_ == text_.size()) return '\\';
    const char c = text_[at_++];
    switch (c) {
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case '0': return '\0';
      case 'x': break;
      default:
        if (is_word(c) || is_digit(c)) fail(at_ - 2, "there are \\n \\r \\t \\0 and \\xHH");
        return c;
    }
    const auto high = at_ + 1 < text_.size() ? hex_value(text_[at_]) : std::nullopt;
    const auto low = high ? hex_value(text_[at_ + 1]) : std::nullopt;
    if (!low) {
      fail(at_ - 2, "two hexadecimal digits are expected behind \\x");
      return c;
    }
    at_ += 2;
    return static_cast<char>(*high * 16 + *low);
  }

  // What follows a {.
  ScriptPart take_template() {
    const size_t begin = at_ - 1;
    const std::string_view name = take_word();
    ScriptPart part;
    if (name == "seq") {
      part.kind = Part::kSeq;
    } else if (name == "connection") {
      part.kind = Part::kConnection;
    } else if (name == "key") {
      part.kind = Part::kKey;
    } else if (name == "value") {
      part.kind = Part::kValue;
    } else if (name == "random") {
      part.kind = Part::kRandom;
      take_range(part);
    } else {
      fail(begin,
           "there are {seq}, {connection}, {key}, {value} and {random:1-100}; a brace is \\{");
    }
    if (at_ == text_.size() || text_[at_] != '}') fail(begin, "the } of a template is missing");
    ++at_;
    return part;
  }

  // ":1-100".
  void take_range(ScriptPart& part) {
    const size_t begin = at_;
    const char* const end = text_.data() + text_.size();
    const char* at = text_.data() + at_;
    const auto take = [&](char before, uint64_t& number) {
      if (at == end || *at != before) return false;
      const auto [next, code] = std::from_chars(at + 1, end, number);
      at = next;
      return code == std::errc();
    };
    const bool is_range = take(':', part.from) && take('-', part.to) && part.from <= part.to &&
                          part.to - part.from < UINT32_MAX;
    if (!is_range) return fail(begin, "a range is written {random:1-100}");
    at_ = static_cast<size_t>(at - text_.data());
  }

  void add(ScriptStep&& step) {
    if (error_) return;
    step.line = line_;
    script_.order_.push_back(static_cast<uint32_t>(script_.steps_.size()));
    script_.steps_.push_back(std::move(step));
    if (script_.order_.size() > kMostSteps) fail(at_, "there are more than 100000 steps");
  }

  void finish() {
    const auto is_send = [&](uint32_t step) { return script_.steps_[step].kind == Step::kSend; };
    const std::vector<uint32_t>& order = script_.order_;
    if (order.empty()) return fail(at_, "there is no step in it");
    const auto expected = std::ranges::find_if_not(order, is_send);
    script_.opening_ = static_cast<size_t>(expected - order.begin());
    script_.is_one_turn_ = std::none_of(expected, order.end(), is_send);
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      if (script_.steps_[order[i]].kind == Step::kEnd)
        return fail(at_, "expect end is not the last");
    }
    if (std::ranges::none_of(order, is_send)) return fail(at_, "nothing is sent");
    if (is_send(order.back())) fail(at_, "nothing is expected at the end");
  }

  const std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  Script script_;
  std::optional<Error> error_;
};

Result<Script> Script::parse(std::string_view text, const std::string& name) {
  return ScriptReader(text, name).read();
}

Result<Script> Script::read(const std::string& file) {
  const auto text = read_file(file, kMostTextBytes);
  if (!text) return std::unexpected(text.error());
  return parse(*text, file);
}

}  // namespace eddy::load
