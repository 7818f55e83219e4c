#include <eddy/net/memcached/command_parser.h>
#include <eddy/net/memcached/line_internal.h>
#include <errno.h>

#include <algorithm>
#include <array>
#include <new>

namespace eddy::memcached {
namespace {

constexpr std::array<std::string_view, 6> kStoring = {"set",    "add",     "replace",
                                                      "append", "prepend", "cas"};
constexpr size_t kLengthWord = 4;

}  // namespace

CommandParser::CommandParser(const Options& options) : options_(options) {
  // So that sums of them do not overflow.
  constexpr size_t kMostBytes = SIZE_MAX / 8;
  options_.max_line_bytes = std::clamp(options_.max_line_bytes, kLeastLineBytes, kMostBytes);
  options_.max_value_bytes = std::min(options_.max_value_bytes, kMostBytes);
}

Result<CommandParser::Event> CommandParser::next(std::string_view& bytes) {
  if (failure_) return failed();
  if (bytes.empty()) return Event::kNeedMore;
  if (state_ == State::kComplete) begin_command();
  try {
    parse(bytes);
  } catch (const std::bad_alloc&) {
    fail(errno_code(ENOMEM), 0, "");
  }
  if (failure_) return failed();
  return state_ == State::kComplete ? Event::kCommand : Event::kNeedMore;
}

void CommandParser::parse(std::string_view& bytes) {
  while (!bytes.empty() && !failure_ && state_ != State::kComplete) {
    if (held_.empty()) {
      advance(bytes);
      if (state_ == State::kComplete) {
        bytes.remove_prefix(searched_);
      } else if (!failure_) {
        held_ = bytes;
        bytes = {};
      }
    } else {
      const size_t taken = wanted(bytes);
      held_.append(bytes.substr(0, taken));
      bytes.remove_prefix(taken);
      advance(held_);
    }
  }
}

Result<void> CommandParser::finish() {
  if (!failure_ && !held_.empty() && state_ != State::kComplete) {
    fail(Errc::kUnexpectedEnd, held_.size(), "The client ended the connection amid a command");
  }
  if (failure_) return std::unexpected(failed().error());
  return {};
}

void CommandParser::reset() noexcept {
  begin_command();
  offset_ = 0;
  failure_ = {};
}

void CommandParser::begin_command() noexcept {
  if (state_ == State::kComplete) offset_ += searched_;
  held_.clear();
  words_.clear();
  value_ = {};
  line_bytes_ = value_bytes_ = searched_ = 0;
  state_ = State::kLine;
}

// Parses on in `text`, the command's bytes so far and what may follow them. When it is complete,
// `searched_` is where it ends.
void CommandParser::advance(std::string_view text) {
  const bool has_moved = state_ == State::kValue;  // since the words were found in it
  if (state_ == State::kLine && !take_line(text)) return;
  if (state_ == State::kValue && !take_value(text)) return;
  if (has_moved) set_words(text.substr(0, line_bytes_));
  value_ = text.substr(line_bytes_, value_bytes_);
}

// Of bytes that continue the command: no more than it is known to have.
size_t CommandParser::wanted(std::string_view bytes) const noexcept {
  if (state_ == State::kValue) {
    return std::min(bytes.size(), line_bytes_ + value_bytes_ + kLineEndBytes - held_.size());
  }
  const size_t most = options_.max_line_bytes + kLineEndBytes - held_.size();
  const std::string_view line = bytes.substr(0, most);
  const size_t lf = line.find('\n');
  return lf == std::string_view::npos ? line.size() : lf + 1;
}

// False: the line, or what is wrong with it, has not come yet.
bool CommandParser::take_line(std::string_view text) {
  const size_t bound = options_.max_line_bytes + kLineEndBytes;
  const size_t lf = text.substr(0, bound).find('\n', searched_);
  if (lf == std::string_view::npos) {
    searched_ = text.size();
    if (text.size() >= bound) fail(Errc::kLineTooLong, bound, "");
    return false;
  }
  line_bytes_ = searched_ = lf + 1;
  set_words(text.substr(0, line_bytes_));
  state_ = State::kComplete;
  if (words_.empty() || std::ranges::find(kStoring, words_[0]) == kStoring.end()) return true;
  const auto length =
      words_.size() > kLengthWord ? parse_number<uint64_t>(words_[kLengthWord]) : std::nullopt;
  if (!length) {
    fail(Errc::kBadLength, 0, "A value's length is the fifth word");
  } else if (*length > options_.max_value_bytes) {
    fail(Errc::kValueTooLong, 0, "");
  } else {
    value_bytes_ = static_cast<size_t>(*length);
    state_ = State::kValue;
  }
  return true;
}

bool CommandParser::take_value(std::string_view text) {
  const size_t end = line_bytes_ + value_bytes_;
  if (text.size() < end + kLineEndBytes) return false;
  if (text[end] != '\r' || text[end + 1] != '\n') {
    fail(Errc::kBadLineEnd, end, "A value does not end where its length says");
    return false;
  }
  searched_ = end + kLineEndBytes;
  state_ = State::kComplete;
  return true;
}

void CommandParser::set_words(std::string_view line) {
  line.remove_suffix(line.ends_with("\r\n") ? kLineEndBytes : 1);
  words_.clear();
  while (!line.empty()) {
    const std::string_view word = take_word(line);
    if (!word.empty()) words_.push_back(word);
  }
}

void CommandParser::fail(std::error_code code, size_t position, const char* advice) noexcept {
  failure_ = code;
  failure_offset_ = offset_ + position;
  advice_ = advice;
}

// The same at each call.
Result<CommandParser::Event> CommandParser::failed() const {
  return std::unexpected(
      Error(failure_, "memcached command", "byte " + std::to_string(failure_offset_), advice_));
}

}  // namespace eddy::memcached
