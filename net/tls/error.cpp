#include <eddy/core/error.h>
#include <eddy/net/tls/error.h>
#include <eddy/net/tls/failure_internal.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <string>

namespace eddy::tls {
namespace {

constexpr int kCertificateCodes = 1000;  // below

const char* words_of(int value) noexcept {
  if (value > 0 && value < kCertificateCodes) return X509_verify_cert_error_string(value);
  switch (static_cast<Errc>(value)) {
    case Errc::kTruncated: return "the input ended without close_notify";
    case Errc::kBadProtocolName: return "not a list of ALPN names";
    case Errc::kBadPeerName: return "not a name that a certificate can be verified for";
  }
  const auto packed = static_cast<unsigned long>(value);
  if (ERR_GET_LIB(packed) == ERR_LIB_SSL && ERR_GET_REASON(packed) == SSL_R_WRONG_VERSION_NUMBER) {
    return "wrong version number: what the peer speaks there is most likely not TLS";
  }
  return ERR_reason_error_string(packed);
}

class Category : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    const char* words = words_of(value);
    return words != nullptr ? words : "OpenSSL's error " + std::to_string(value);
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc condition) noexcept {
  return {static_cast<int>(condition), tls_category()};
}

bool is_certificate_error(std::error_code code) noexcept {
  return code.category() == tls_category() && code.value() < kCertificateCodes;
}

bool is_name_mismatch(std::error_code code) noexcept {
  return code == certificate_error(X509_V_ERR_HOSTNAME_MISMATCH) ||
         code == certificate_error(X509_V_ERR_IP_ADDRESS_MISMATCH);
}

std::error_code take_openssl_error() noexcept {
  const unsigned long packed = ERR_get_error();
  ERR_clear_error();
  if (packed == 0) return std::make_error_code(std::errc::protocol_error);
  if (ERR_SYSTEM_ERROR(packed)) return errno_code(ERR_GET_REASON(packed));
  return {static_cast<int>(packed), tls_category()};
}

std::error_code certificate_error(long verify_result) noexcept {
  return {static_cast<int>(verify_result), tls_category()};
}

}  // namespace eddy::tls
