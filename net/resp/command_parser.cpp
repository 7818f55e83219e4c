#include <eddy/net/resp/command_parser.h>
#include <eddy/net/resp/inline_command_internal.h>
#include <eddy/net/resp/line_internal.h>
#include <errno.h>

#include <algorithm>
#include <new>

namespace eddy::resp {
CommandParser::CommandParser(const Options& options) : options_(options) {
  // So that sums of them do not overflow.
  constexpr size_t kMostBytes = SIZE_MAX / 8;
  options_.max_line_bytes = std::clamp(options_.max_line_bytes, kLeastLineBytes, kMostBytes);
  options_.max_bulk_bytes = std::min(options_.max_bulk_bytes, kMostBytes);
  options_.max_command_bytes = std::min(options_.max_command_bytes, kMostBytes);
}

Result<CommandParser::Event> CommandParser::next(std::string_view& bytes) {
  if (failure_) return failed();
  if (bytes.empty()) return Event::kNeedMore;
  if (state_ == State::kComplete) begin_command();
  try {
    parse(bytes);
  } catch (const std::bad_alloc&) {
    fail(errno_code(ENOMEM), position_, "");
  }
  if (failure_) return failed();
  return state_ == State::kComplete ? Event::kCommand : Event::kNeedMore;
}

void CommandParser::parse(std::string_view& bytes) {
  while (!bytes.empty()) {
    std::string_view text = bytes;
    size_t taken = bytes.size();
    if (held_.empty()) {
      if (take_whole(bytes)) return;
      advance(text);
      if (state_ == State::kComplete) {
        taken = position_;
      } else if (!failure_) {
        held_ = text;
      }
    } else {
      taken = wanted(bytes);
      text = held_.append(bytes.substr(0, taken));
      advance(text);
    }
    if (failure_) return;
    bytes.remove_prefix(taken);
    if (state_ != State::kComplete) continue;
    set_arguments(text);
    if (!arguments_.empty()) return;
    begin_command();
  }
}

// A command of bulk strings that has come whole: most commands, in a third of the work. False: it
// is none, or not right, and nothing has been taken.
bool CommandParser::take_whole(std::string_view& bytes) {
  if (bytes[0] != '*') return false;
  const LengthLine head = read_length_line(bytes);
  if (head.bytes == 0 || head.length == 0 || head.length > options_.max_arguments) return false;
  std::string_view rest = bytes.substr(head.bytes);
  arguments_.clear();
  for (uint64_t left = head.length; left > 0; --left) {
    const LengthLine line = read_length_line(rest);
    if (line.bytes == 0 || rest[0] != '$' || line.length > options_.max_bulk_bytes) return false;
    const size_t end = line.bytes + line.length;
    if (rest.size() < end + 2 || rest[end] != '\r' || rest[end + 1] != '\n') return false;
    arguments_.emplace_back(rest.data() + line.bytes, line.length);
    rest.remove_prefix(end + 2);
  }
  const size_t size = bytes.size() - rest.size();
  if (size > options_.max_command_bytes) return false;
  bytes = rest;
  position_ = size;
  state_ = State::kComplete;
  return true;
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
  offset_ += position_;
  held_.clear();
  inline_.clear();
  ranges_.clear();
  arguments_.clear();
  position_ = searched_ = 0;
  arguments_left_ = 0;
  state_ = State::kStart;
}

// Parses on in `text`, the command's bytes so far and what may follow them.
void CommandParser::advance(std::string_view text) {
  while (state_ != State::kComplete && !failure_) {
    const bool goes_on = state_ == State::kBody ? take_body(text) : take_line(text);
    if (!goes_on) return;
  }
}

// Of bytes that continue the command: no more than it is known to have.
size_t CommandParser::wanted(std::string_view bytes) const noexcept {
  if (state_ == State::kBody) {
    return std::min(bytes.size(), position_ + body_size_ + 2 - held_.size());
  }
  const size_t most = position_ + options_.max_line_bytes + kLineFrameBytes - held_.size();
  const std::string_view line = bytes.substr(0, most);
  const size_t lf = line.find('\n');
  return lf == std::string_view::npos ? line.size() : lf + 1;
}

// False: the line, or what is wrong with it, has not come yet.
bool CommandParser::take_line(std::string_view text) {
  const std::string_view rest = text.substr(position_);
  if (rest.empty()) return false;
  if (state_ == State::kLength && rest[0] != '$') {
    fail(Errc::kBadType, position_, "'$' is expected");
    return false;
  }
  const size_t bound = options_.max_line_bytes + kLineFrameBytes;
  const size_t searched = std::max(searched_, position_);
  const size_t lf = text.substr(0, position_ + bound).find('\n', searched);
  if (lf == std::string_view::npos) {
    searched_ = text.size();
    if (rest.size() >= bound) fail(Errc::kLineTooLong, position_ + bound, "");
    return false;
  }
  const std::string_view line = rest.substr(0, lf - position_);
  if (state_ == State::kStart && rest[0] != '*') {
    take_inline(line);
  } else if (line.empty() || line.back() != '\r') {
    fail(Errc::kBadLineEnd, lf, "A line ends without CR");
  } else {
    const std::string_view number = line.substr(1, line.size() - 2);
    state_ == State::kStart ? begin_array(number) : begin_bulk(number);
  }
  position_ = lf + 1;
  if (position_ > options_.max_command_bytes && !failure_) {
    fail(Errc::kMessageTooLong, position_, "");
  }
  return !failure_;
}

void CommandParser::begin_array(std::string_view count) {
  const auto number = parse_integer(count);
  if (!number || count.starts_with('+')) return fail(Errc::kBadLength, position_, "");
  if (*number <= 0) {
    state_ = State::kComplete;
    return;
  }
  arguments_left_ = static_cast<uint64_t>(*number);
  if (arguments_left_ > options_.max_arguments) return fail(Errc::kTooManyElements, position_, "");
  state_ = State::kLength;
}

void CommandParser::begin_bulk(std::string_view length) {
  const uint64_t size = parse_length(length);
  if (size == kNoLength) return fail(Errc::kBadLength, position_, "");
  if (size > options_.max_bulk_bytes) return fail(Errc::kBulkTooLong, position_, "");
  if (size > options_.max_command_bytes) return fail(Errc::kMessageTooLong, position_, "");
  body_size_ = static_cast<size_t>(size);
  state_ = State::kBody;
}

bool CommandParser::take_body(std::string_view text) {
  const size_t end = position_ + body_size_;
  if (end > options_.max_command_bytes) {
    fail(Errc::kMessageTooLong, position_, "");
    return false;
  }
  if (text.size() < end + 2) return false;
  if (text[end] != '\r' || text[end + 1] != '\n') {
    fail(Errc::kBadLineEnd, end, "A bulk string does not end where its length says");
    return false;
  }
  ranges_.push_back({position_, body_size_});
  position_ = end + 2;
  state_ = --arguments_left_ == 0 ? State::kComplete : State::kLength;
  return true;
}

void CommandParser::take_inline(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (const char* wrong = split_inline(line, inline_, ranges_)) {
    return fail(Errc::kBadInline, position_, wrong);
  }
  state_ = State::kComplete;
}

void CommandParser::set_arguments(std::string_view text) {
  // An inline command's arguments are in memory of their own.
  const bool is_inline = text[0] != '*';
  arguments_.clear();
  const char* const base = is_inline ? inline_.data() : text.data();
  for (const ArgumentRange& range : ranges_) {
    arguments_.emplace_back(base + range.begin, range.size);
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
      Error(failure_, "RESP command", "byte " + std::to_string(failure_offset_), advice_));
}

}  // namespace eddy::resp
