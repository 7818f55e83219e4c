// OpenSSL's errors as std::error_code.
#pragma once

#include <system_error>

namespace eddy::tls {

// The oldest error in this thread's queue, which is the cause of those behind it; the queue is
// empty afterwards (ERR_get_error(3)).
std::error_code take_openssl_error() noexcept;

// Why a certificate was refused, as X509_STORE_CTX_get_error(3) and SSL_get_verify_result(3) have
// it.
std::error_code certificate_error(long verify_result) noexcept;

}  // namespace eddy::tls
