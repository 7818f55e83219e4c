#include <eddy/net/memcached/line_internal.h>
#include <eddy/net/memcached/reply_parser.h>
#include <eddy/net/memcached/writer.h>
#include <errno.h>

#include <algorithm>
#include <array>
#include <new>

namespace eddy::memcached {
namespace {

constexpr std::string_view kValue = "VALUE ";

// By type.
constexpr std::array<std::string_view, 13> kWords = {
    "END", "STORED", "NOT_STORED", "EXISTS", "NOT_FOUND",    "DELETED",      "TOUCHED",
    "OK",  "",       "VERSION",    "ERROR",  "CLIENT_ERROR", "SERVER_ERROR",
};

constexpr auto kBeginsReply = [] {
  std::array<bool, 256> table{};
  for (const std::string_view word : kWords) {
    if (!word.empty()) table[static_cast<unsigned char>(word[0])] = true;
  }
  for (char digit = '0'; digit <= '9'; ++digit) table[static_cast<unsigned char>(digit)] = true;
  return table;
}();

bool begins_reply(char first) noexcept { return kBeginsReply[static_cast<unsigned char>(first)]; }

bool has_text(ReplyType type) noexcept {
  return type == ReplyType::kVersion || type >= ReplyType::kError;
}

// The type whose word this line is or, if it has text behind it, begins with.
bool find_type(std::string_view line, ReplyType& type) noexcept {
  const std::string_view word = line.substr(0, line.find(' '));
  const auto* const found = std::ranges::find(kWords, word);
  if (found == kWords.end() || word.empty()) return false;
  type = static_cast<ReplyType>(found - kWords.begin());
  return has_text(type) || word.size() == line.size();
}

}  // namespace

std::string_view word_of(ReplyType type) noexcept { return kWords[static_cast<size_t>(type)]; }

ReplyParser::ReplyParser(const Options& options) : options_(options) {
  // So that sums of them do not overflow.
  constexpr size_t kMostBytes = SIZE_MAX / 8;
  options_.max_line_bytes = std::clamp(options_.max_line_bytes, kLeastLineBytes, kMostBytes);
  options_.max_value_bytes = std::min<uint64_t>(options_.max_value_bytes, kMostBytes);
  options_.max_kept_bytes = std::min(options_.max_kept_bytes, kMostBytes);
}

Result<ReplyParser::Event> ReplyParser::next(std::string_view& bytes) {
  if (failure_) return failed();
  if (bytes.empty()) return Event::kNeedMore;
  if (is_between_) begin_reply();
  try {
    parse(bytes);
  } catch (const std::bad_alloc&) {
    fail(errno_code(ENOMEM), offset_, "");
  }
  if (failure_) return failed();
  return is_between_ ? Event::kReply : Event::kNeedMore;
}

void ReplyParser::parse(std::string_view& bytes) {
  while (!is_between_ && !failure_ && !bytes.empty()) {
    if (body_left_ > 0) {
      take_body(bytes);
    } else {
      take_line(bytes);
    }
  }
}

Result<void> ReplyParser::finish() {
  if (!is_between_ && !failure_) {
    fail(Errc::kUnexpectedEnd, offset_, "The server ended the connection amid a reply");
  }
  if (failure_) return std::unexpected(failed().error());
  return {};
}

void ReplyParser::reset() noexcept {
  begin_reply();
  line_.clear();
  body_left_ = 0;
  offset_ = 0;
  is_between_ = true;
  failure_ = {};
}

void ReplyParser::begin_reply() noexcept {
  text_.clear();
  values_.clear();
  kept_ = count_ = 0;
  number_ = 0;
  is_between_ = false;
}

void ReplyParser::take_line(std::string_view& bytes) {
  const size_t held = line_.size();
  const size_t bound = options_.max_line_bytes + kLineEndBytes;
  std::string_view line = bytes.substr(0, bound - held);
  const size_t lf = line.find('\n');
  const bool is_whole = lf != std::string_view::npos;
  if (is_whole) line = line.substr(0, lf + 1);
  const uint64_t begin = offset_ - held;
  offset_ += line.size();
  bytes.remove_prefix(line.size());
  if (held > 0 || !is_whole) line = line_.append(line);

  if (!begins_reply(line[0])) return fail(Errc::kBadReply, begin, "No reply begins so");
  if (!is_whole) {
    if (line.size() == bound) fail(Errc::kLineTooLong, begin + bound, "");
    return;
  }
  if (line[line.size() - kLineEndBytes] != '\r') {
    return fail(Errc::kBadLineEnd, begin + line.size() - 1, "A line ends without CR");
  }
  line.remove_suffix(kLineEndBytes);
  if (line.starts_with(kValue)) {
    begin_value(line.substr(kValue.size()), begin);
  } else {
    end_reply(line, begin);
  }
  line_.clear();
}

// <key> <flags> <bytes> [<cas>]
void ReplyParser::begin_value(std::string_view fields, uint64_t offset) {
  const std::string_view key = take_word(fields);
  const auto flags = parse_number<uint32_t>(take_word(fields));
  const auto length = parse_number<uint64_t>(take_word(fields));
  const auto cas = parse_number<uint64_t>(fields);
  if (!is_key(key) || !flags) return fail(Errc::kBadReply, offset, "A VALUE has key and flags");
  if (!length) return fail(Errc::kBadLength, offset, "");
  if (!cas && !fields.empty()) return fail(Errc::kBadReply, offset, "Behind the length: no number");
  if (*length > options_.max_value_bytes) return fail(Errc::kValueTooLong, offset, "");
  if (++count_ > options_.max_values) return fail(Errc::kTooManyValues, offset, "");
  body_left_ = *length + kLineEndBytes;
  if (!options_.keep_values) return;
  const uint64_t size = key.size() + *length;
  if (size > options_.max_kept_bytes - std::min(kept_, options_.max_kept_bytes)) {
    return fail(Errc::kReplyTooLong, offset, "");
  }
  values_.push_back({.flags = *flags,
                     .has_cas = cas.has_value(),
                     .cas = cas.value_or(0),
                     .begin = kept_,
                     .key_bytes = key.size(),
                     .bytes = static_cast<size_t>(*length)});
  text_.append(key);
  kept_ += static_cast<size_t>(size);
}

void ReplyParser::take_body(std::string_view& bytes) {
  if (body_left_ > kLineEndBytes) {
    const auto size = std::min<uint64_t>(bytes.size(), body_left_ - kLineEndBytes);
    if (options_.keep_values) text_.append(bytes.substr(0, size));
    body_left_ -= size;
    offset_ += size;
    bytes.remove_prefix(size);
  }
  while (!bytes.empty() && body_left_ > 0 && body_left_ <= kLineEndBytes) {
    if (bytes[0] != (body_left_ == kLineEndBytes ? '\r' : '\n')) {
      return fail(Errc::kBadLineEnd, offset_, "A value does not end where its length says");
    }
    --body_left_;
    ++offset_;
    bytes.remove_prefix(1);
  }
}

void ReplyParser::end_reply(std::string_view line, uint64_t offset) {
  if (const auto number = parse_number<uint64_t>(line)) {
    type_ = ReplyType::kNumber;
    number_ = *number;
  } else if (!find_type(line, type_)) {
    return fail(Errc::kBadReply, offset, "No reply is so");
  }
  if (count_ > 0 && type_ != ReplyType::kValues && !is_error()) {
    return fail(Errc::kBadReply, offset, "END is expected behind values");
  }
  if (has_text(type_)) text_.append(line);
  is_between_ = true;
}

void ReplyParser::fail(std::error_code code, uint64_t offset, const char* advice) noexcept {
  failure_ = code;
  failure_offset_ = offset;
  advice_ = advice;
}

// The same at each call.
Result<ReplyParser::Event> ReplyParser::failed() const {
  return std::unexpected(
      Error(failure_, "memcached reply", "byte " + std::to_string(failure_offset_), advice_));
}

}  // namespace eddy::memcached
