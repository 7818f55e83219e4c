#include <eddy/net/memcached/error.h>

#include <string>

namespace eddy::memcached {
namespace {

const char* words_of(Errc condition) noexcept {
  switch (condition) {
    case Errc::kBadReply: return "unexpected line";
    case Errc::kBadLineEnd: return "CR LF expected";
    case Errc::kBadLength: return "invalid length";
    case Errc::kLineTooLong: return "line too long";
    case Errc::kValueTooLong: return "value too long";
    case Errc::kTooManyValues: return "too many values";
    case Errc::kReplyTooLong: return "reply too long";
    case Errc::kUnexpectedEnd: return "unexpected end of input";
  }
  return nullptr;
}

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "memcached"; }
  std::string message(int value) const override {
    const char* words = words_of(static_cast<Errc>(value));
    return words != nullptr ? words : "error " + std::to_string(value);
  }
};

}  // namespace

const std::error_category& memcached_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc condition) noexcept {
  return {static_cast<int>(condition), memcached_category()};
}

}  // namespace eddy::memcached
