#include <eddy/core/check.h>
#include <eddy/net/tls/context_internal.h>
#include <eddy/net/tls/error.h>
#include <eddy/net/tls/failure_internal.h>
#include <eddy/net/tls/memory_bio_internal.h>
#include <eddy/net/tls/session.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <optional>
#include <utility>

namespace eddy::tls {
namespace {

struct FreeSsl {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

std::string subject_of(const X509* certificate) {
  std::string text;
  BIO* memory = certificate == nullptr ? nullptr : BIO_new(BIO_s_mem());
  if (memory == nullptr) return text;
  X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  if (size > 0) text.assign(bytes, static_cast<size_t>(size));
  BIO_free(memory);
  return text;
}

// Whom OpenSSL is about to refuse.
int on_verified(int is_right, X509_STORE_CTX* chain) noexcept {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (is_right == 0) peer_of(ssl).refused = subject_of(X509_STORE_CTX_get_current_cert(chain));
  return is_right;
}

std::unexpected<Error> bad_name(std::string_view name, const char* advice) {
  return std::unexpected(Error(Errc::kBadPeerName, "TLS session", std::string(name), advice));
}

// The peer's certificate must be for this name or address, and a name is told to it.
Result<void> set_name(SSL* ssl, const std::string& name, bool verify) {
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) return {};
  ERR_clear_error();
  if (SSL_set_tlsext_host_name(ssl, name.c_str()) != 1 ||
      (verify && X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) != 1)) {
    ERR_clear_error();
    return bad_name(name, "a host's name has 255 bytes at most");
  }
  return {};
}

std::string_view view_of(const char* text) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text);
}

}  // namespace

struct Session::State {
  ~State();

  Result<void> begin(std::string_view peer_name);
  Result<Event> shake_hands();
  Result<Event> receive(std::span<char> room);
  std::unexpected<Error> fail(const char* call);
  std::unexpected<Error> fail(const char* call, std::error_code code, std::string advice = {});

  std::shared_ptr<Context::Shared> context;
  MemoryPipe pipe{};
  Peer peer{};
  std::unique_ptr<SSL, FreeSsl> ssl{};  // goes before what it writes to
  std::string_view plaintext{};
  std::optional<Error> failure{};
  bool is_established = false;
  bool has_ended = false;     // the peer
  bool is_shut_down = false;  // this side
};

// Unless a connection was shut down, OpenSSL has nobody resume its session; but how a connection
// ends tells nothing of that (RFC 5246, section 7.2.1).
Session::State::~State() {
  if (ssl != nullptr && is_established && !failure) {
    SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

Result<void> Session::State::begin(std::string_view peer_name) {
  ERR_clear_error();
  ssl.reset(SSL_new(context->context.get()));
  BIO* const bio = ssl == nullptr ? nullptr : make_memory_bio(pipe);
  if (bio == nullptr) return fail("TLS session");
  SSL_set_bio(ssl.get(), bio, bio);
  SSL_set_app_data(ssl.get(), &peer);
  peer = {.name = std::string(peer_name), .resumption = &context->resumption};
  const int refuses = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_set_verify(ssl.get(), context->verify ? refuses : SSL_VERIFY_NONE,
                 context->verify ? on_verified : nullptr);
  if (context->role == Context::Role::kServer) {
    SSL_set_accept_state(ssl.get());
    return {};
  }
  if (context->verify && peer.name.empty()) return bad_name("", "a client is told whom it expects");
  if (peer.name.contains('\0')) return bad_name(peer_name, "it has a zero byte in it");
  if (!peer.name.empty()) {
    if (auto ok = set_name(ssl.get(), peer.name, context->verify); !ok) return ok;
  }
  if (const SessionPointer earlier = context->resumption.take(peer.name); earlier != nullptr) {
    SSL_set_session(ssl.get(), earlier.get());
  }
  SSL_set_connect_state(ssl.get());
  const auto begun = shake_hands();
  if (!begun) return std::unexpected(begun.error());
  return {};
}

Result<Session::Event> Session::State::shake_hands() {
  const int done = SSL_do_handshake(ssl.get());
  if (done == 1) {
    is_established = true;
    return Event::kHandshake;
  }
  if (SSL_get_error(ssl.get(), done) == SSL_ERROR_WANT_READ) return Event::kNeedMore;
  return fail("TLS handshake");
}

Result<Session::Event> Session::State::receive(std::span<char> room) {
  size_t size = 0;
  const int done = SSL_read_ex(ssl.get(), room.data(), room.size(), &size);
  if (done == 1) {
    plaintext = {room.data(), size};
    return Event::kPlaintext;
  }
  switch (SSL_get_error(ssl.get(), done)) {
    case SSL_ERROR_WANT_READ: return Event::kNeedMore;
    case SSL_ERROR_ZERO_RETURN: has_ended = true; return Event::kEnd;
    default: return fail("TLS receive");
  }
}

std::unexpected<Error> Session::State::fail(const char* call) {
  const bool is_refused = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
                          ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
  const std::error_code code = take_openssl_error();
  if (!is_refused) return fail(call, code);
  std::string advice;
  if (!peer.refused.empty()) advice = "the certificate of " + peer.refused;
  return fail(call, certificate_error(SSL_get_verify_result(ssl.get())), std::move(advice));
}

std::unexpected<Error> Session::State::fail(const char* call, std::error_code code,
                                            std::string advice) {
  std::string with = peer.name.empty() ? "" : "with " + peer.name;
  failure.emplace(code, call, std::move(with), std::move(advice));
  return std::unexpected(*failure);
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::make(const Context& context, std::string_view peer_name) {
  auto state = std::make_unique<State>(context.shared_);
  if (const auto ok = state->begin(peer_name); !ok) return std::unexpected(ok.error());
  return Session(std::move(state));
}

Result<Session::Event> Session::next(std::string_view& bytes, std::span<char> room) {
  EDDY_REQUIRE(!room.empty(), "tls::Session::next was given no room for plaintext");
  State& state = *state_;
  if (state.failure) return std::unexpected(*state.failure);
  if (state.has_ended) return Event::kEnd;
  state.pipe.input = bytes;
  ERR_clear_error();
  auto event = state.is_established ? state.receive(room) : state.shake_hands();
  bytes = std::exchange(state.pipe.input, {});
  return event;
}

std::string_view Session::plaintext() const noexcept { return state_->plaintext; }

Result<void> Session::finish() {
  State& state = *state_;
  if (state.failure) return std::unexpected(*state.failure);
  if (state.has_ended) return {};
  return state.fail(state.is_established ? "TLS receive" : "TLS handshake", Errc::kTruncated);
}

Result<size_t> Session::send(std::string_view plaintext) {
  State& state = *state_;
  if (state.failure) return std::unexpected(*state.failure);
  if (state.is_shut_down) {
    return std::unexpected(Error(eddy::Errc::kClosed, "TLS send", state.peer.name));
  }
  if (!state.is_established) return 0;
  size_t taken = 0;
  while (taken < plaintext.size() && state.pipe.output.size() < kOutputBytes) {
    size_t size = 0;
    ERR_clear_error();
    if (SSL_write_ex(state.ssl.get(), plaintext.data() + taken, plaintext.size() - taken, &size) !=
        1) {
      return state.fail("TLS send");
    }
    taken += size;
  }
  return taken;
}

void Session::shutdown() {
  State& state = *state_;
  if (state.failure || std::exchange(state.is_shut_down, true)) return;
  // Amid a handshake there is nothing yet that could be cut off.
  if (state.is_established) SSL_shutdown(state.ssl.get());
}

std::string_view Session::output() const noexcept { return state_->pipe.output; }
void Session::clear_output() noexcept { state_->pipe.output.clear(); }

bool Session::is_established() const noexcept { return state_->is_established; }
std::string_view Session::protocol() const noexcept {
  return view_of(SSL_get_version(state_->ssl.get()));
}
std::string_view Session::cipher() const noexcept {
  return view_of(SSL_get_cipher_name(state_->ssl.get()));
}
std::string_view Session::alpn() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(state_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}
bool Session::was_resumed() const noexcept { return SSL_session_reused(state_->ssl.get()) == 1; }
std::string_view Session::server_name() const noexcept {
  return view_of(SSL_get_servername(state_->ssl.get(), TLSEXT_NAMETYPE_host_name));
}
std::string Session::peer_subject() const {
  return subject_of(SSL_get0_peer_certificate(state_->ssl.get()));
}

}  // namespace eddy::tls
