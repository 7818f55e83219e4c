// The sessions that a client may resume, by the name of the peer that gave them.
//
// Threads: any, at once.
#pragma once

#include <openssl/ssl.h>
#include <stddef.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace eddy::tls {

struct FreeSession {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPointer = std::unique_ptr<SSL_SESSION, FreeSession>;

class Resumption {
 public:
  void keep(std::string_view peer, SessionPointer session);
  // The latest of that peer; null if there is none. One of TLS 1.3 is given once.
  SessionPointer take(std::string_view peer);

 private:
  struct Kept {
    std::string peer;
    SessionPointer session;
  };
  static constexpr size_t kMost = 256;
  std::mutex mutex_;
  std::deque<Kept> kept_;  // the oldest first
};

}  // namespace eddy::tls
