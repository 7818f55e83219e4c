#include <eddy/net/tls/context.h>
#include <eddy/net/tls/context_internal.h>
#include <eddy/net/tls/error.h>
#include <eddy/net/tls/failure_internal.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <string_view>
#include <utility>

namespace eddy::tls {
namespace {

using Options = Context::Options;

constexpr std::string_view kSessionIdContext = "eddy";
// A length of two bytes goes before all of them (RFC 7301, section 3.1).
constexpr size_t kMostAlpnBytes = 65535;

std::unexpected<Error> failed(const char* call, std::string subject = {}, std::string advice = {}) {
  return std::unexpected(Error(take_openssl_error(), call, std::move(subject), std::move(advice)));
}

int version_number(Context::Version version) {
  return version == Context::Version::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// Nobody is asked.
int no_password(char*, int, int, void*) noexcept { return -1; }

int choose_alpn(SSL*, const unsigned char** chosen, unsigned char* size,
                const unsigned char* offered, unsigned offered_bytes, void* own) noexcept {
  const auto& wanted = *static_cast<const std::string*>(own);
  unsigned char* found = nullptr;
  const int how =
      SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(wanted.data()),
                            static_cast<unsigned>(wanted.size()), offered, offered_bytes);
  *chosen = found;
  return how == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// A server gave a session: of TLS 1.3 several of them, behind the handshake.
int keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
  if (SSL_SESSION_is_resumable(session) != 1) return 0;
  const Peer& peer = peer_of(ssl);
  peer.resumption->keep(peer.name, SessionPointer(session));
  return 1;  // the reference is kept
}

Result<std::string> wire_format(const std::vector<std::string>& alpn) {
  std::string wire;
  for (const std::string& name : alpn) {
    if (name.empty() || name.size() > 255 || wire.size() + 1 + name.size() > kMostAlpnBytes) {
      return std::unexpected(Error(Errc::kBadProtocolName, "TLS context", name,
                                   "each has 1 to 255 bytes, as \"http/1.1\""));
    }
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

Result<void> load_trust(SSL_CTX* context, const Options& options, bool verify) {
  const std::string& file = options.ca_file;
  const std::string& dir = options.ca_dir;
  if (!file.empty() && SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    return failed("load certificates", file, "it has trusted certificates in PEM");
  }
  if (!dir.empty() && SSL_CTX_load_verify_dir(context, dir.c_str()) != 1) {
    return failed("load certificates", dir);
  }
  if (verify && file.empty() && dir.empty() && SSL_CTX_set_default_verify_paths(context) != 1) {
    return failed("load certificates", "of the system");
  }
  if (verify && options.role == Context::Role::kServer && !file.empty()) {
    // So that a client with several certificates knows which to send.
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file.c_str()));
  }
  return {};
}

Result<void> load_identity(SSL_CTX* context, const Options& options) {
  const std::string& file = options.certificate_file;
  const std::string& key = options.key_file.empty() ? file : options.key_file;
  if (file.empty()) return {};
  SSL_CTX_set_default_passwd_cb(context, no_password);
  if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) != 1) {
    return failed("load certificate", file, "it has the certificate and its chain in PEM");
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return failed("load key", key, "it has the certificate's private key in PEM, not encrypted");
  }
  return {};
}

void set_resumption(SSL_CTX* context, const Options& options) {
  const bool is_client = options.role == Context::Role::kClient;
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!options.resume) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (!is_client) SSL_CTX_set_num_tickets(context, 0);
  } else if (is_client) {
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  } else {
    SSL_CTX_set_session_id_context(context,
                                   reinterpret_cast<const unsigned char*>(kSessionIdContext.data()),
                                   kSessionIdContext.size());
  }
}

}  // namespace

Context::Context(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

Result<Context> Context::make(const Options& options) {
  ERR_clear_error();
  const bool is_client = options.role == Role::kClient;
  auto shared = std::make_shared<Shared>();
  shared->context.reset(SSL_CTX_new(is_client ? TLS_client_method() : TLS_server_method()));
  SSL_CTX* const context = shared->context.get();
  if (context == nullptr) return failed("TLS context");
  shared->role = options.role;
  shared->verify = options.verify.value_or(is_client);
  auto alpn = wire_format(options.alpn);
  if (!alpn) return std::unexpected(alpn.error());
  shared->alpn = std::move(*alpn);
  if (SSL_CTX_set_min_proto_version(context, version_number(options.lowest)) != 1 ||
      SSL_CTX_set_max_proto_version(context, version_number(options.highest)) != 1) {
    return failed("TLS context", "", "the lowest version is not above the highest");
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // A send is a record at a time, so that the output is bounded; an idle connection gives back the
  // 34 KiB of its records' buffers.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  if (!is_client && !shared->alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(context, choose_alpn, &shared->alpn);
  } else if (!shared->alpn.empty()) {
    // 0 is success, for once (SSL_CTX_set_alpn_protos(3)).
    if (SSL_CTX_set_alpn_protos(context,
                                reinterpret_cast<const unsigned char*>(shared->alpn.data()),
                                static_cast<unsigned>(shared->alpn.size())) != 0) {
      return failed("TLS context");
    }
  }
  set_resumption(context, options);
  if (const auto ok = load_trust(context, options, shared->verify); !ok) {
    return std::unexpected(ok.error());
  }
  if (const auto ok = load_identity(context, options); !ok) return std::unexpected(ok.error());
  return Context(std::move(shared));
}

}  // namespace eddy::tls
