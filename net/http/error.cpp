#include <eddy/net/http/error.h>

#include <string>

namespace eddy::http {
namespace {

const char* words_of(Errc condition) noexcept {
  switch (condition) {
    case Errc::kStrict: return "strict";
    case Errc::kLfExpected: return "LF expected";
    case Errc::kUnexpectedContentLength: return "unexpected content length";
    case Errc::kClosedConnection: return "closed connection";
    case Errc::kInvalidMethod: return "invalid method";
    case Errc::kInvalidUrl: return "invalid URL";
    case Errc::kInvalidConstant: return "invalid constant";
    case Errc::kInvalidVersion: return "invalid version";
    case Errc::kInvalidHeaderToken: return "invalid header token";
    case Errc::kInvalidContentLength: return "invalid content length";
    case Errc::kInvalidChunkSize: return "invalid chunk size";
    case Errc::kInvalidStatus: return "invalid status";
    case Errc::kInvalidEofState: return "invalid EOF state";
    case Errc::kInvalidTransferEncoding: return "invalid transfer encoding";
    case Errc::kHttp2: return "HTTP/2";
    case Errc::kCrExpected: return "CR expected";
    case Errc::kUnexpectedSpace: return "unexpected space";
    case Errc::kHeadTooLong: return "head too long";
  }
  return nullptr;
}

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "http"; }
  std::string message(int value) const override {
    const char* words = words_of(static_cast<Errc>(value));
    return words != nullptr ? words : "llhttp's error " + std::to_string(value);
  }
};

}  // namespace

const std::error_category& http_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc condition) noexcept {
  return {static_cast<int>(condition), http_category()};
}

}  // namespace eddy::http
