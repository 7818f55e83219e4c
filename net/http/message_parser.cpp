#include <eddy/net/http/message_parser.h>
#include <errno.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include <algorithm>
#include <new>
#include <type_traits>

namespace eddy::http {
namespace {

// So that places in text_ fit into 32 bits.
constexpr size_t kMaxHeadBytes = size_t{1} << 30;

llhttp_t& llhttp_in(std::byte* storage) noexcept {
  return *std::launder(reinterpret_cast<llhttp_t*>(storage));
}

bool is_blank(char character) { return character == ' ' || character == '\t'; }

// What llhttp lets pass between lines.
struct BadLine {
  size_t at;  // npos if there is none
  const char* why = "";
};

// Looks at the ends of the lines in `text`, of which `last_byte` is the byte before, and then its
// last (RFC 9112: section 2.2 for the end of a line, section 5.2 for a folded one).
BadLine find_bad_line(std::string_view text, char& last_byte) {
  constexpr size_t kNone = std::string_view::npos;
  if (text.empty()) return {kNone};
  const auto bad_start = [](char first) -> const char* {
    if (is_blank(first)) return "A line begins with white space";
    return first == ':' ? "A header has no name" : nullptr;
  };
  char before = last_byte;
  last_byte = text.back();
  if (before == '\n') {
    if (const char* why = bad_start(text[0])) return {0, why};
  }
  for (size_t lf = text.find('\n'); lf != kNone; lf = text.find('\n', lf + 1)) {
    if ((lf == 0 ? before : text[lf - 1]) != '\r') return {lf, "A line ends without CR"};
    if (lf + 1 == text.size()) break;
    if (const char* why = bad_start(text[lf + 1])) return {lf + 1, why};
  }
  return {kNone};
}

}  // namespace

// Called by llhttp, C code: nothing may be thrown through it. A result that is not 0 stops it
// there.
struct MessageParser::Callbacks {
  static MessageParser& parser_of(llhttp_t* llhttp) {
    return *static_cast<MessageParser*>(llhttp->data);
  }

  static int pause_for(MessageParser& parser, Event event) {
    parser.event_ = event;
    return HPE_PAUSED;
  }

  static int stop(MessageParser& parser, std::error_code code, const char* advice) {
    parser.failure_ = code;
    parser.advice_ = advice;
    return HPE_USER;
  }

  template <typename Function>
  static int store(MessageParser& parser, Function function) {
    try {
      function();
      return 0;
    } catch (const std::bad_alloc&) {
      return stop(parser, errno_code(ENOMEM), "");
    }
  }

  static int on_start_line(llhttp_t* llhttp, const char* at, size_t length) {
    MessageParser& parser = parser_of(llhttp);
    return store(parser, [&] {
      parser.text_.append(at, length);
      parser.start_end_ = static_cast<uint32_t>(parser.text_.size());
    });
  }

  static int on_header_field(llhttp_t* llhttp, const char* at, size_t length) {
    MessageParser& parser = parser_of(llhttp);
    return store(parser, [&] {
      if (!parser.field_open_) {
        const auto begin = static_cast<uint32_t>(parser.text_.size());
        parser.fields_.push_back({begin, begin, begin, begin});
        parser.field_open_ = true;
      }
      parser.text_.append(at, length);
      Field& field = parser.fields_.back();
      field.name_end = static_cast<uint32_t>(parser.text_.size());
      field.value_begin = field.value_end = field.name_end;
    });
  }

  static int on_header_value(llhttp_t* llhttp, const char* at, size_t length) {
    MessageParser& parser = parser_of(llhttp);
    return store(parser, [&] {
      parser.text_.append(at, length);
      parser.fields_.back().value_end = static_cast<uint32_t>(parser.text_.size());
    });
  }

  static int on_header_value_complete(llhttp_t* llhttp) {
    MessageParser& parser = parser_of(llhttp);
    Field& field = parser.fields_.back();
    while (field.value_end > field.value_begin && is_blank(parser.text_[field.value_end - 1])) {
      --field.value_end;
    }
    parser.field_open_ = false;
    return 0;
  }

  static int on_headers_complete(llhttp_t* llhttp) {
    MessageParser& parser = parser_of(llhttp);
    if (llhttp->http_major != 1) {
      return stop(parser, Errc::kInvalidVersion, "HTTP/1.0 or HTTP/1.1 is expected");
    }
    parser.head_complete_ = true;
    parser.header_count_ = parser.fields_.size();
    parser.status_ = llhttp->status_code;
    parser.minor_version_ = llhttp->http_minor;
    parser.has_length_ = (llhttp->flags & F_CONTENT_LENGTH) != 0;
    parser.content_length_ = llhttp->content_length;
    parser.is_chunked_ = (llhttp->flags & F_CHUNKED) != 0;
    if (llhttp->http_minor == 0) settle_old_version(*llhttp);
    const bool is_right = parser.options_.type == Type::kResponse ? settle_response(parser, *llhttp)
                                                                  : settle_request(parser, *llhttp);
    if (!is_right) return HPE_USER;
    parser.is_upgrade_ = llhttp->upgrade != 0;
    return parser.strict_lines() || parser.is_chunked_ ? pause_for(parser, Event::kHead) : 0;
  }

  // RFC 9112, section 6.1: the framing of a message of HTTP/1.0 that has Transfer-Encoding is not
  // to be trusted behind it. RFC 9110, section 7.8: its Upgrade is ignored.
  static void settle_old_version(llhttp_t& llhttp) {
    if ((llhttp.flags & F_TRANSFER_ENCODING) != 0) {
      llhttp.flags = static_cast<uint16_t>(llhttp.flags & ~F_CONNECTION_KEEP_ALIVE);
    }
    if (llhttp.type == HTTP_REQUEST && llhttp.method != HTTP_CONNECT) llhttp.upgrade = 0;
  }

  // llhttp does not notice a Transfer-Encoding that names none (RFC 9112, section 6.3, item 4).
  static bool settle_request(MessageParser& parser, const llhttp_t& llhttp) {
    if ((llhttp.flags & F_TRANSFER_ENCODING) != 0 || !parser.header("Transfer-Encoding"))
      return true;
    stop(parser, Errc::kInvalidTransferEncoding, "It is empty");
    return false;
  }

  // RFC 9112, section 6.3, item 1. llhttp believes the length that such a response gives.
  static bool settle_response(MessageParser& parser, llhttp_t& llhttp) {
    const unsigned status = llhttp.status_code;
    if (status < 100) {
      stop(parser, Errc::kInvalidStatus, "A status has three digits");
      return false;
    }
    if (parser.expect_no_body_ || status < 200 || status == 204 || status == 304) {
      llhttp.flags = static_cast<uint16_t>(llhttp.flags | F_SKIPBODY);
    }
    llhttp.upgrade = status == 101 ? 1 : 0;
    return true;
  }

  static int on_body(llhttp_t* llhttp, const char* at, size_t length) {
    if (length == 0) return 0;
    MessageParser& parser = parser_of(llhttp);
    parser.body_ = {at, length};
    parser.body_bytes_ += length;
    return parser.options_.want_body ? pause_for(parser, Event::kBody) : 0;
  }

  static int on_message_complete(llhttp_t* llhttp) {
    MessageParser& parser = parser_of(llhttp);
    if (parser.skips_this()) {
      parser.begin_message();
      return 0;
    }
    parser.keep_alive_ = llhttp_should_keep_alive(llhttp) != 0;
    return pause_for(parser, Event::kMessage);
  }

  static constexpr llhttp_settings_t settings(bool is_request, bool keep_headers) {
    llhttp_settings_t result = {};
    if (is_request) result.on_url = on_start_line;
    if (keep_headers) {
      result.on_status = on_start_line;
      result.on_header_field = on_header_field;
      result.on_header_value = on_header_value;
      result.on_header_value_complete = on_header_value_complete;
    }
    result.on_headers_complete = on_headers_complete;
    result.on_body = on_body;
    result.on_message_complete = on_message_complete;
    return result;
  }
};

MessageParser::MessageParser(const Options& options) : options_(options) {
  static_assert(sizeof(llhttp_t) <= kLlhttpBytes && alignof(llhttp_t) <= 8);
  static_assert(std::is_trivially_copyable_v<llhttp_t>);
  options_.max_head_bytes = std::min(options.max_head_bytes, kMaxHeadBytes);
  reset();
}

void MessageParser::reset() {
  static constexpr llhttp_settings_t kSettings[2][2] = {
      {Callbacks::settings(false, false), Callbacks::settings(false, true)},
      {Callbacks::settings(true, false), Callbacks::settings(true, true)}};
  const bool is_request = options_.type == Type::kRequest;
  llhttp_init(new (llhttp_.data()) llhttp_t, is_request ? HTTP_REQUEST : HTTP_RESPONSE,
              &kSettings[is_request ? 1 : 0][options_.keep_headers ? 1 : 0]);
  begin_message();
  framing_bytes_ = 0;
  event_ = Event::kNeedMore;
  offset_ = 0;
  failure_ = {};
}

void MessageParser::begin_message() noexcept {
  text_.clear();
  fields_.clear();
  body_bytes_ = 0;
  header_count_ = 0;
  start_end_ = 0;
  status_ = 0;
  head_complete_ = false;
  field_open_ = false;
  is_chunked_ = false;
  last_framing_byte_ = 0;
}

bool MessageParser::skips_this() const noexcept {
  return options_.type == Type::kResponse && !options_.want_interim && status_ < 200 &&
         status_ != 101;
}

Result<MessageParser::Event> MessageParser::next(std::string_view& bytes) {
  if (event_ == Event::kMessage) {
    begin_message();
    framing_bytes_ = 0;
  }
  for (;;) {
    if (failure_) return std::unexpected(error());
    event_ = Event::kNeedMore;
    body_ = {};
    parse(bytes);
    if (failure_) continue;
    switch (event_) {
      case Event::kNeedMore:
        if (bytes.empty()) return event_;
        break;
      case Event::kHead:
        end_head();
        if (options_.keep_headers && !skips_this()) return event_;
        break;
      case Event::kBody:
      case Event::kMessage: return event_;
    }
  }
}

// Gives to llhttp what it may take of `bytes`, which is no more than the bounds allow.
void MessageParser::parse(std::string_view& bytes) {
  llhttp_t& llhttp = llhttp_in(llhttp_.data());
  llhttp.data = this;
  const bool is_framed = !head_complete_ || is_chunked_ || skips_this();
  size_t size = bytes.size();
  // One more than may be framing, since that one may be a body's.
  if (is_framed) size = std::min(size, options_.max_head_bytes + 1 - framing_bytes_);
  // A null pointer would have llhttp forget that it is within a header or a body.
  const char* const begin = bytes.empty() ? "" : bytes.data();
  llhttp_resume(&llhttp);
  llhttp_resume_after_upgrade(&llhttp);
  const llhttp_errno_t result = llhttp_execute(&llhttp, begin, size);
  if (result != HPE_OK) size = static_cast<size_t>(llhttp_get_error_pos(&llhttp) - begin);

  failure_offset_ = offset_ + size;
  const bool paused = result == HPE_PAUSED || result == HPE_PAUSED_UPGRADE;
  if (result != HPE_OK && !paused && !failure_) {
    fail(static_cast<Errc>(result), failure_offset_, llhttp_get_error_reason(&llhttp));
  }
  if (is_framed) check_framing(bytes.substr(0, size));
  offset_ += size;
  bytes.remove_prefix(size);
}

void MessageParser::check_framing(std::string_view taken) {
  size_t begin = 0;
  if (body_.data() != nullptr) {
    begin = static_cast<size_t>(body_.data() + body_.size() - taken.data());
    framing_bytes_ = 0;
    last_framing_byte_ = 0;
  }
  framing_bytes_ += taken.size() - begin;
  if (strict_lines()) {
    const BadLine bad = find_bad_line(taken.substr(begin), last_framing_byte_);
    if (bad.at != std::string_view::npos) {
      fail(Errc::kInvalidHeaderToken, offset_ + begin + bad.at, bad.why);
    }
  }
  if (!failure_ && framing_bytes_ > options_.max_head_bytes) {
    fail(Errc::kHeadTooLong, failure_offset_, "");
  }
}

// The bounds begin anew behind a head, but not behind an interim response that is skipped: an
// endless row of those is a head that does not end.
void MessageParser::end_head() {
  if (!skips_this()) framing_bytes_ = 0;
  last_framing_byte_ = 0;
}

Result<MessageParser::Event> MessageParser::finish() {
  std::string_view nothing;
  auto event = next(nothing);
  if (!event || *event != Event::kNeedMore) return event;
  llhttp_t& llhttp = llhttp_in(llhttp_.data());
  if (llhttp_finish(&llhttp) == HPE_INVALID_EOF_STATE) {
    fail(Errc::kInvalidEofState, offset_, "The input ended amid a message");
    return std::unexpected(error());
  }
  if (event_ == Event::kMessage) llhttp_reset(&llhttp);  // it would say so again
  return event_;
}

void MessageParser::fail(std::error_code code, uint64_t offset, const char* advice) noexcept {
  failure_ = code;
  failure_offset_ = offset;
  advice_ = advice;
}

Error MessageParser::error() const {
  const bool is_request = options_.type == Type::kRequest;
  return {failure_, is_request ? "HTTP request" : "HTTP response",
          "byte " + std::to_string(failure_offset_), advice_};
}

std::string_view MessageParser::reason() const noexcept {
  return options_.type == Type::kResponse ? part(0, start_end_) : std::string_view();
}

std::string_view MessageParser::target() const noexcept {
  return options_.type == Type::kRequest ? part(0, start_end_) : std::string_view();
}

std::string_view MessageParser::method() const noexcept {
  if (options_.type != Type::kRequest || !head_complete_) return {};
  const auto& llhttp = *std::launder(reinterpret_cast<const llhttp_t*>(llhttp_.data()));
  return llhttp_method_name(static_cast<llhttp_method_t>(llhttp.method));
}

std::optional<uint64_t> MessageParser::content_length() const noexcept {
  if (!head_complete_ || !has_length_) return std::nullopt;
  return content_length_;
}

std::optional<std::string_view> MessageParser::header(std::string_view name) const noexcept {
  return find(0, header_count_, name);
}

std::optional<std::string_view> MessageParser::trailer(std::string_view name) const noexcept {
  return find(header_count_, fields_.size(), name);
}

std::optional<std::string_view> MessageParser::find(size_t first, size_t last,
                                                    std::string_view name) const noexcept {
  for (size_t i = first; i < last; ++i) {
    const std::string_view other = name_of(fields_[i]);
    if (other.size() == name.size() && strncasecmp(other.data(), name.data(), name.size()) == 0) {
      return value_of(fields_[i]);
    }
  }
  return std::nullopt;
}

}  // namespace eddy::http
