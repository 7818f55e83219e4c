#include <eddy/net/resp/error.h>

#include <string>

namespace eddy::resp {
namespace {

const char* words_of(Errc condition) noexcept {
  switch (condition) {
    case Errc::kBadType: return "unexpected type";
    case Errc::kBadLineEnd: return "CR LF expected";
    case Errc::kBadNumber: return "invalid number";
    case Errc::kBadLength: return "invalid length";
    case Errc::kBadInline: return "invalid inline command";
    case Errc::kStreamed: return "streamed values are not supported";
    case Errc::kLineTooLong: return "line too long";
    case Errc::kBulkTooLong: return "bulk string too long";
    case Errc::kTooManyElements: return "too many elements";
    case Errc::kTooDeep: return "nested too deep";
    case Errc::kMessageTooLong: return "message too long";
    case Errc::kUnexpectedEnd: return "unexpected end of input";
  }
  return nullptr;
}

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "resp"; }
  std::string message(int value) const override {
    const char* words = words_of(static_cast<Errc>(value));
    return words != nullptr ? words : "error " + std::to_string(value);
  }
};

}  // namespace

const std::error_category& resp_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc condition) noexcept {
  return {static_cast<int>(condition), resp_category()};
}

}  // namespace eddy::resp
