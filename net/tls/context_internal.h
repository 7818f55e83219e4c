// What a Context is a handle on.
#pragma once

#include <eddy/net/tls/context.h>
#include <eddy/net/tls/resumption_internal.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace eddy::tls {

struct FreeContext {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};

struct Context::Shared {
  std::unique_ptr<SSL_CTX, FreeContext> context;
  Role role = Role::kClient;
  bool verify = true;
  std::string alpn;       // as it goes over the wire
  Resumption resumption;  // a client's
};

// What OpenSSL's callbacks know of a session: its application data (SSL_set_app_data(3)).
struct Peer {
  std::string name;
  Resumption* resumption = nullptr;  // a client's
  std::string refused;               // whose certificate was, if one was
};

inline Peer& peer_of(const SSL* ssl) noexcept { return *static_cast<Peer*>(SSL_get_app_data(ssl)); }

}  // namespace eddy::tls
