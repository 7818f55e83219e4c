#include "load/tls_options.h"

#include <utility>

namespace eddy::load {

namespace {

std::unexpected<Error> refuse(const char* what, const std::string& subject, const char* advice) {
  return std::unexpected(
      Error(make_error_code(std::errc::invalid_argument), what, subject, advice));
}

}  // namespace

Result<TlsOptions> make_tls(const TlsRequest& request, const http::Url& url) {
  if (!url.is_https) {
    if (request.is_empty()) return TlsOptions{};
    return refuse("TLS", "", "--ca, --cert, --key, --sni, --tls-resume and -k are for https://");
  }
  if (!request.key_file.empty() && request.certificate_file.empty()) {
    return refuse("--key", request.key_file, "it belongs to a --cert FILE");
  }
  auto context = tls::Context::make({.verify = !request.is_insecure,
                                     .ca_file = request.ca_file,
                                     .certificate_file = request.certificate_file,
                                     .key_file = request.key_file,
                                     .alpn = {"http/1.1"},
                                     .resume = request.resume});
  if (!context) return std::unexpected(context.error());
  return TlsOptions{.context = std::move(*context),
                    .server_name = request.server_name.empty() ? url.host : request.server_name,
                    .resume = request.resume};
}

}  // namespace eddy::load
