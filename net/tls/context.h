// What the connections of a TLS client, or of a server, have in common: whom they trust, who they
// are, what they offer (RFC 8446, RFC 5246).
//
// What it is: a handle on settings that do not change any more. Copies are the same context; a
// Session keeps it alive.
//
//   auto context = tls::Context::make({.ca_file = "ca.pem", .alpn = {"http/1.1"}});
//   auto session = tls::Session::make(*context, "example.org");
//
// Files are PEM, and read while it is made. A key that is encrypted is refused, since nobody is
// there to ask for its password.
//
// Resumption (RFC 8446, section 2.2): a server gives tickets, whose key is the context's own, so
// that any of its sessions takes them, and keeps nothing itself. A client keeps the latest 256
// sessions that servers gave, by the peer's name; TLS 1.3's are offered once (section C.4).
//
// Never: renegotiation, compression, early data, versions before TLS 1.2.
//
// Threads: any, at once. Reactors of several threads that serve one address share a context, or
// their tickets are worth nothing to each other.
#pragma once

#include <eddy/core/error.h>
#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eddy::tls {

class Context {
 public:
  enum class Role : uint8_t { kClient, kServer };
  enum class Version : uint8_t { kTls12, kTls13 };

  struct Options {
    Role role = Role::kClient;
    // Whether the peer's certificate must be there, be right, and lead to a trusted one. Unless
    // told otherwise a client wants that, and a server asks for no certificate. A client that does
    // not want it talks to whoever answers.
    std::optional<bool> verify{};
    // The certificates that are trusted: those in a file, those in a folder that `openssl rehash`
    // has gone through, or both. Neither: the system's.
    std::string ca_file{};
    std::string ca_dir{};
    // The own certificate, followed by those that lead to a trusted one, and its key; without a
    // key_file it is in the same file. A server has one, a client where it is asked for it.
    std::string certificate_file{};
    std::string key_file{};
    // The protocols that are offered, the best first (ALPN, RFC 7301): "http/1.1". A server whose
    // client offers others, and none of these, ends the handshake; with one that offers none at all
    // it goes on.
    std::vector<std::string> alpn{};
    Version lowest = Version::kTls12;
    Version highest = Version::kTls13;
    bool resume = true;
  };

  // Fails with what is wrong with a file, with the file as subject.
  static Result<Context> make(const Options& options);

 private:
  friend class Session;
  struct Shared;
  explicit Context(std::shared_ptr<Shared> shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace eddy::tls
