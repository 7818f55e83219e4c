#include <eddy/core/error.h>

#include <errno.h>
#include <stdio.h>
#include <algorithm>

namespace eddy {
namespace {

class EddyCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "eddy"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::kEndOfInput: return "end of input";
      case Errc::kClosed: return "closed";
      case Errc::kOverLimit: return "over the limit";
      case Errc::kTimedOut: return "deadline passed";
      case Errc::kBadAddress: return "not an address";
      case Errc::kUnsupported: return "not supported";
      case Errc::kListening: return "already listening";
      case Errc::kTruncated: return "the file is too short";
    }
    return "unknown condition";
  }
};

// What helps wherever it happens.
const char* general_advice(int errno_value) {
  if (errno_value == EMFILE) {
    return "this process has as many open files as it may: raise its limit (ulimit -n, "
           "RLIMIT_NOFILE)";
  }
  if (errno_value == EEXIST) {
    return "a descriptor is watched, adopted or listened on once at a time";
  }
  if (errno_value == ENFILE) {
    return "the system has as many open files as it may: raise fs.file-max";
  }
  return "";
}

}  // namespace

const std::error_category& eddy_category() noexcept {
  static const EddyCategory category;
  return category;
}

std::error_code make_error_code(Errc condition) noexcept {
  return {static_cast<int>(condition), eddy_category()};
}

std::error_code errno_code(int errno_value) noexcept {
  return {errno_value, std::system_category()};
}

Error::Error(std::error_code code, const char* call, std::string subject, std::string advice)
    : code_(code), call_(call), subject_(std::move(subject)), advice_(std::move(advice)) {}

std::string Error::message() const {
  std::string text = call_;
  if (!subject_.empty()) text.append(" ").append(subject_);
  text.append(": ").append(code_.message());
  if (!advice_.empty()) text.append(" (").append(advice_).append(")");
  // The subject may be a user's text.
  std::ranges::replace_if(text, [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  return text;
}

std::unexpected<Error> failure(int negative_errno, const char* call, std::string subject,
                               std::string advice) {
  if (advice.empty()) advice = general_advice(-negative_errno);
  return std::unexpected<Error>(std::in_place, errno_code(-negative_errno), call,
                                std::move(subject), std::move(advice));
}

int report(const Error& error) {
  fprintf(stderr, "%s: %s\n", program_invocation_short_name, error.message().c_str());
  return 2;
}

}  // namespace eddy
