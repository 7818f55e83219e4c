// How TLS is spoken with an https:// target, from what the user asked for.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/http/url.h>
#include <eddy/net/tls/context.h>

#include <optional>
#include <string>

namespace eddy::load {

// As it was asked for.
struct TlsRequest {
  std::string server_name{};  // in the place of the URL's host
  std::string ca_file{};      // in the place of the system's
  std::string certificate_file{};
  std::string key_file{};
  bool is_insecure = false;
  bool resume = false;

  bool is_empty() const {
    return server_name.empty() && ca_file.empty() && certificate_file.empty() && key_file.empty() &&
           !is_insecure && !resume;
  }
};

struct TlsOptions {
  std::optional<tls::Context> context;  // none: no TLS
  std::string server_name;              // told to the server, and verified
  bool resume = false;
};

// None for a URL that is not https. Fails where something was asked for all the same, and with what
// is wrong with a file.
Result<TlsOptions> make_tls(const TlsRequest& request, const http::Url& url);

}  // namespace eddy::load
