#include <eddy/net/resp/line_internal.h>
#include <eddy/net/resp/reply_parser.h>
#include <errno.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <new>

namespace eddy::resp {
namespace {

constexpr auto kIsType = [] {
  std::array<bool, 256> table{};
  for (const char type : std::string_view("+-:$*_#,(!=%~|>")) {
    table[static_cast<unsigned char>(type)] = true;
  }
  return table;
}();

bool is_type(char first) noexcept { return kIsType[static_cast<unsigned char>(first)]; }

bool is_error_type(Type type) noexcept {
  return type == Type::kSimpleError || type == Type::kBulkError;
}

bool is_big_number(std::string_view text) noexcept {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

bool parse_double(std::string_view text, double& value) noexcept {
  if (text == "nan") {
    value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "inf") {
    value = std::numeric_limits<double>::infinity();
  } else {
    // Neither another sign, nor the other names that from_chars knows.
    if (text.empty() || !is_digit(text[0])) return false;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || at != end) return false;
  }
  if (is_negative) value = -value;
  return true;
}

}  // namespace

ReplyParser::ReplyParser(const Options& options) : options_(options) {
  constexpr size_t kMostLineBytes = size_t{1} << 30;
  options_.max_line_bytes = std::clamp(options_.max_line_bytes, kLeastLineBytes, kMostLineBytes);
  options_.max_kept_bytes = std::min<size_t>(options_.max_kept_bytes, UINT32_MAX);
}

Result<ReplyParser::Event> ReplyParser::next(std::string_view& bytes) {
  if (failure_) return failed();
  if (bytes.empty()) return Event::kNeedMore;
  if (is_between_) {
    if (!options_.keep_values && take_whole(bytes)) return Event::kReply;
    begin_reply();
  }
  parse(bytes);
  if (failure_) return failed();
  return is_between_ ? Event::kReply : Event::kNeedMore;
}

// Simple and bulk strings that have come whole: most replies, in a third of the work. False: it is
// none of them, or not right, and nothing has been taken.
bool ReplyParser::take_whole(std::string_view& bytes) noexcept {
  const auto type = static_cast<Type>(bytes[0]);
  size_t size = 0;  // but for the CR LF
  if (type == Type::kSimpleString) {
    const size_t lf = bytes.substr(0, options_.max_line_bytes + kLineFrameBytes).find('\n');
    if (lf == std::string_view::npos) return false;
    size = lf - 1;
  } else if (type == Type::kBulkString) {
    const LengthLine line = read_length_line(bytes);
    if (line.bytes == 0 || line.length > options_.max_bulk_bytes) return false;
    size = line.bytes + line.length;
  } else {
    return false;
  }
  if (bytes.size() < size + 2 || bytes[size] != '\r' || bytes[size + 1] != '\n') return false;
  root_ = {.type = type};
  offset_ += size + 2;
  bytes.remove_prefix(size + 2);
  return true;
}

void ReplyParser::parse(std::string_view& bytes) {
  try {
    while (!is_between_ && !failure_ && !bytes.empty()) {
      if (body_left_ > 0) {
        take_body(bytes);
      } else {
        take_line(bytes);
      }
    }
  } catch (const std::bad_alloc&) {
    fail(errno_code(ENOMEM), offset_, "");
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
  frames_.clear();
  body_left_ = keep_left_ = 0;
  offset_ = 0;
  is_between_ = true;
  failure_ = {};
}

void ReplyParser::begin_reply() noexcept {
  text_.clear();
  nodes_.clear();
  root_ = {};
  elements_ = 0;
  is_between_ = false;
}

void ReplyParser::take_line(std::string_view& bytes) {
  const size_t held = line_.size();
  const size_t bound = options_.max_line_bytes + kLineFrameBytes;
  std::string_view line = bytes.substr(0, bound - held);
  const size_t lf = line.find('\n');
  const bool is_whole = lf != std::string_view::npos;
  if (is_whole) line = line.substr(0, lf + 1);
  const uint64_t begin = offset_ - held;
  offset_ += line.size();
  bytes.remove_prefix(line.size());
  if (held > 0 || !is_whole) line = line_.append(line);

  if (!is_type(line[0])) {
    const bool is_streamed = line[0] == ';' || line[0] == '.';
    return fail(is_streamed ? Errc::kStreamed : Errc::kBadType, begin, "No value begins so");
  }
  if (!is_whole) {
    if (line.size() == bound) fail(Errc::kLineTooLong, begin + bound, "");
    return;
  }
  if (line[line.size() - 2] != '\r') {
    return fail(Errc::kBadLineEnd, begin + line.size() - 1, "A line ends without CR");
  }
  begin_value(static_cast<Type>(line[0]), line.substr(1, line.size() - kLineFrameBytes), begin);
  line_.clear();
}

void ReplyParser::begin_value(Type type, std::string_view text, uint64_t offset) {
  switch (type) {
    case Type::kBulkString:
    case Type::kBulkError:
    case Type::kVerbatimString: return begin_bulk(type, text, offset);
    case Type::kArray:
    case Type::kMap:
    case Type::kSet:
    case Type::kAttribute:
    case Type::kPush: return begin_aggregate(type, text, offset);
    default: break;
  }
  Node node{.type = type};
  if (!read_scalar(node, text))
    return fail(Errc::kBadNumber, offset, "A value is none of its type");
  if (!add(node, text.size(), offset)) return;
  text_.append(text.substr(0, node.size));
  end_value();
}

bool ReplyParser::read_scalar(Node& node, std::string_view text) const {
  switch (node.type) {
    case Type::kInteger: {
      const auto integer = parse_integer(text);
      node.integer = integer.value_or(0);
      return integer.has_value();
    }
    case Type::kNull: node.is_null = true; return text.empty();
    case Type::kBoolean: node.integer = text == "t" ? 1 : 0; return text == "t" || text == "f";
    case Type::kDouble: return parse_double(text, node.number);
    case Type::kBigNumber: return is_big_number(text);
    default: return true;
  }
}

void ReplyParser::begin_bulk(Type type, std::string_view text, uint64_t offset) {
  Node node{.type = type};
  const uint64_t size = parse_length(text);
  if (size == kNoLength) {
    if (text == "?") return fail(Errc::kStreamed, offset, "");
    node.is_null = text == "-1" && type == Type::kBulkString;
    if (!node.is_null) return fail(Errc::kBadLength, offset, "");
    if (add(node, 0, offset)) end_value();
    return;
  }
  if (size > options_.max_bulk_bytes) return fail(Errc::kBulkTooLong, offset, "");
  constexpr size_t kFormatBytes = 4;
  if (type == Type::kVerbatimString && size < kFormatBytes) {
    return fail(Errc::kBadLength, offset, "A verbatim string has a format of four bytes");
  }
  if (!add(node, size, offset)) return;
  keep_left_ = node.size;
  body_left_ = size + 2;
}

void ReplyParser::begin_aggregate(Type type, std::string_view text, uint64_t offset) {
  Node node{.type = type};
  if (type == Type::kPush && !frames_.empty()) {
    return fail(Errc::kBadType, offset, "A push within another value");
  }
  uint64_t count = parse_length(text);
  if (count == kNoLength) {
    if (text == "?") return fail(Errc::kStreamed, offset, "");
    node.is_null = text == "-1" && type == Type::kArray;
    if (!node.is_null) return fail(Errc::kBadLength, offset, "");
    count = 0;
  }
  if (type == Type::kMap || type == Type::kAttribute) count *= 2;
  if (count > options_.max_elements) return fail(Errc::kTooManyElements, offset, "");
  node.integer = static_cast<int64_t>(count);
  if (!add(node, 0, offset)) return;
  const bool is_attribute = type == Type::kAttribute;
  if (count == 0) {
    if (!is_attribute) end_value();
    return;
  }
  if (frames_.size() == options_.max_depth) return fail(Errc::kTooDeep, offset, "");
  frames_.push_back({count, is_attribute});
}

// A value begins, whose `bytes` lie behind. Says in the node what is kept of them.
bool ReplyParser::add(Node& node, uint64_t bytes, uint64_t offset) {
  const bool is_root = frames_.empty() && node.type != Type::kAttribute;
  if (++elements_ > options_.max_elements) {
    fail(Errc::kTooManyElements, offset, "");
    return false;
  }
  if (options_.keep_values) {
    if (bytes > options_.max_kept_bytes - text_.size()) {
      fail(Errc::kMessageTooLong, offset, "");
      return false;
    }
    node.begin = static_cast<uint32_t>(text_.size());
    node.size = static_cast<uint32_t>(bytes);
    nodes_.push_back(node);
  } else if (is_root && is_error_type(node.type)) {
    node.size = static_cast<uint32_t>(std::min<uint64_t>(bytes, kMaxErrorBytes));
  }
  if (is_root) root_ = node;
  return true;
}

void ReplyParser::take_body(std::string_view& bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  if (body_left_ > 2) {
    const auto size = std::min<uint64_t>(bytes.size(), body_left_ - 2);
    if (keep_left_ > 0) {
      const uint64_t kept = std::min(size, keep_left_);
      text_.append(at, kept);
      keep_left_ -= kept;
    }
    at += size;
    body_left_ -= size;
  }
  for (; at != end && body_left_ > 0; ++at) {
    if (body_left_ > 2) break;
    if (*at != (body_left_ == 2 ? '\r' : '\n')) {
      fail(Errc::kBadLineEnd, offset_ + static_cast<uint64_t>(at - bytes.data()),
           "A bulk string does not end where its length says");
      return;
    }
    --body_left_;
  }
  const auto taken = static_cast<size_t>(at - bytes.data());
  offset_ += taken;
  bytes.remove_prefix(taken);
  if (body_left_ == 0) end_value();
}

// A value is complete, and with it, it may be, the aggregates that it is the last of.
void ReplyParser::end_value() noexcept {
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    if (--frame.left > 0) return;
    const bool is_attribute = frame.is_attribute;
    frames_.pop_back();
    if (is_attribute) return;  // the value that it belongs to follows
  }
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
      Error(failure_, "RESP reply", "byte " + std::to_string(failure_offset_), advice_));
}

}  // namespace eddy::resp
