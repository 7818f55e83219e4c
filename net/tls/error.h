// What went wrong with TLS, as values of std::error_code.
//
// The category is tls_category(), "tls". A code's value is one of three, and its message the words
// for it:
//   1 to 999   why a certificate was refused: an X509_V_ERR_… of openssl/x509_vfy.h, "certificate
//              has expired"
//   Errc       eddy's own
//   above      OpenSSL's packed error (ERR_get_error(3)), "wrong version number"; an alert that the
//              peer sent is one, too: "tlsv13 alert certificate required"
// A file that cannot be read has its errno in std::system_category().
#pragma once

#include <system_error>

namespace eddy::tls {

enum class Errc {
  // The input ended without the peer's close_notify: somebody may have cut it off (RFC 8446,
  // section 6.1).
  kTruncated = 1000,
  kBadProtocolName,  // of ALPN: empty, longer than 255 bytes, or too many of them
  kBadPeerName,      // none where one must be verified, or with a zero byte in it
};

const std::error_category& tls_category() noexcept;
std::error_code make_error_code(Errc condition) noexcept;

// This side refused the peer's certificate: unknown issuer, expired, another's name, …
bool is_certificate_error(std::error_code code) noexcept;
// … for it is not for the name, or the address, that was asked for.
bool is_name_mismatch(std::error_code code) noexcept;

}  // namespace eddy::tls

template <>
struct std::is_error_code_enum<eddy::tls::Errc> : std::true_type {};
