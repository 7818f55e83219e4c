// Errors as values.
//
// What it is: `Error` says which call failed, on what (an address, a descriptor, an option) and
// with which std::error_code; `Result<T>` is a value or an Error. No function of eddy throws; a
// callback of the user's that throws ends the program (std::terminate).
//
// Threads: an Error is a plain value; any thread may hold, copy and read it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <system_error>

namespace eddy {

// Conditions that are eddy's own rather than errno's. They compare with std::error_code.
enum class Errc {
  kEndOfInput = 1,  // the peer has finished sending (a FIN, or the end of a pipe)
  kClosed,          // the operation met a stream that its owner had closed
  kOverLimit,       // a bound was reached: a queue, a frame, a connection's quota
  kTimedOut,        // a deadline of eddy's passed (the kernel's own time-out is ETIMEDOUT)
  kBadAddress,      // text that is not an address
  kUnsupported,     // this kind of descriptor, or this kernel, cannot do that
  kListening,       // it listens already, and can do so once at a time
  kTruncated,       // a file ends before what was to be sent or read of it
};

const std::error_category& eddy_category() noexcept;
std::error_code make_error_code(Errc condition) noexcept;

// The code of an errno value (positive). The category is std::system_category().
std::error_code errno_code(int errno_value) noexcept;

class Error {
 public:
  // call: the system call or the function of eddy, a string literal: it is not copied.
  // subject: what it was called on: "127.0.0.1:7000", "fd 7". May be empty.
  // advice: what the user can do, one clause. May be empty.
  Error(std::error_code code, const char* call, std::string subject = {}, std::string advice = {});

  std::error_code code() const noexcept { return code_; }
  const char* call() const noexcept { return call_; }
  const std::string& subject() const noexcept { return subject_; }
  const std::string& advice() const noexcept { return advice_; }

  // One line without a newline: "bind 127.0.0.1:80: Permission denied (ports below 1024 need …)".
  std::string message() const;

 private:
  std::error_code code_;
  const char* call_;
  std::string subject_;
  std::string advice_;
};

template <typename T>
using Result = std::expected<T, Error>;

// An Error made from what a call of the kernel seam returned: a negative errno. Without an advice,
// EMFILE and ENFILE, which any call that makes a descriptor may return, bring their own, and so
// does EEXIST, for a descriptor that is in the reactor already.
std::unexpected<Error> failure(int negative_errno, const char* call, std::string subject = {},
                               std::string advice = {});

// Prints "program: message" as one line on stderr and returns 2, the exit status for bad input:
//   if (auto ok = server.listen("127.0.0.1:7000"); !ok) return eddy::report(ok.error());
int report(const Error& error);

}  // namespace eddy

template <>
struct std::is_error_code_enum<eddy::Errc> : std::true_type {};
