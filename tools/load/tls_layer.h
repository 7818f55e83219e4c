// TLS on the connections of one engine: what lies between a protocol's bytes and those of its
// streams. One session for each seat, and one piece of memory for all their plaintext.
//
// Threads: the reactor's alone.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/stream.h>
#include <eddy/net/tls/session.h>
#include <stddef.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/tls_options.h"

namespace eddy::load {

class TlsLayer {
 public:
  TlsLayer(const TlsOptions& options, size_t seats);

  // A new connection: the client's first message goes out.
  Result<void> start(size_t seat, Stream& stream);
  // What comes next in the bytes, as Session::next has it; what must be sent for it is sent with
  // kNeedMore and kEnd, and the alert of a failure with that.
  Result<tls::Session::Event> next(size_t seat, Stream& stream, std::string_view& bytes);
  void send(size_t seat, Stream& stream, std::string_view plaintext);
  // close_notify.
  void shut_down(size_t seat, Stream& stream);

  // After `start`.
  tls::Session& session(size_t seat) { return *sessions_[seat]; }
  // "TLSv1.3, TLS_AES_256_GCM_SHA384, http/1.1".
  std::string agreed(size_t seat);

 private:
  void flush(size_t seat, Stream& stream);

  const TlsOptions& options_;
  std::vector<std::optional<tls::Session>> sessions_;
  std::array<char, tls::Session::kRecordBytes> room_;
};

// What went wrong in one clause, and what the user can do about it.
std::string cause_of(const Error& error);

}  // namespace eddy::load
