// One connection's TLS, without the connection: ciphertext in, plaintext out, and the other way
// (RFC 8446, RFC 5246; by OpenSSL).
//
// What it is: an object a connection, fed with the bytes as they arrive, from which one takes what
// happens in them; and what is to be sent to the peer:
//
//   auto session = tls::Session::make(context, "example.org");   // in on_open
//   const auto flush = [&](Stream& peer) {                       // after each call that may add to
//   it
//     if (!session->output().empty()) peer.send(session->output());
//     session->clear_output();
//   };
//   flush(peer);
//   on_data = [&](Stream& peer, Slice slice) {
//     std::string_view bytes = slice.view();
//     for (;;) {
//       auto event = session->next(bytes, room);                 // char
//       room[tls::Session::kRecordBytes] if (!event) { flush(peer); return peer.close(); } // the
//       alert goes out if (*event == tls::Session::Event::kNeedMore) break;     // `bytes` is empty
//       if (*event == tls::Session::Event::kHandshake) session->send("GET / HTTP/1.1\r\n…");
//       if (*event == tls::Session::Event::kPlaintext) read(session->plaintext());
//       if (*event == tls::Session::Event::kEnd) { session->shutdown(); break; }
//     }
//     flush(peer);
//   }
//   on_end = [&](Stream& peer) { auto whole = session->finish(); … }
//
// How the stream was cut into pieces makes no difference. Several calls' output leaves in one send.
// Between two calls a session may be moved or destroyed, and any function of it called.
//
// Failure: an Error whose code is of tls_category(), the peer's name as its subject, and where its
// certificate was refused, whose it was as advice. There is no going on after that: each further
// call gives the same error. What output() has then is the alert that tells the peer, and is worth
// sending before the connection ends.
//
// Memory: OpenSSL's own, some 15 to 30 KiB an idle connection, 34 KiB more amid a record.
// Beside that the output, which is reused, and which send() bounds. Nothing else is allocated once
// it is large enough.
//
// Threads: one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/tls/context.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace eddy::tls {

class Session {
 public:
  enum class Event : uint8_t {
    kNeedMore,   // everything has been taken, and nothing more can be said
    kHandshake,  // once: the peer is who it should be, and send() takes plaintext
    kPlaintext,  // plaintext() is what came next, never empty
    kEnd,        // close_notify: the peer sends no more. Bytes behind it are left, being no TLS's
  };

  // Most plaintext of a record (RFC 8446, section 5.1): with so much room each comes as one piece.
  static constexpr size_t kRecordBytes = size_t{16} * 1024;
  // send() goes on to the next record while the output is shorter than this.
  static constexpr size_t kOutputBytes = size_t{64} * 1024;

  // A client's first message is in output() at once. `peer_name` is the server's, a name or an IP
  // address: its certificate must be for it, and a name is told to it (SNI, RFC 6066, section 3).
  // Sessions of one name are resumed. Fails for a client without a name that is to verify one, and
  // for a name that is none. A server's session has no use for it.
  static Result<Session> make(const Context& context, std::string_view peer_name = {});

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Takes ciphertext from the front of `bytes`, up to the next event, and removes what it has
  // taken. Call it until it gives kNeedMore or kEnd, also when `bytes` is empty: an event may need
  // no further byte. Plaintext is put into `room`, of at least one byte.
  Result<Event> next(std::string_view& bytes, std::span<char> room);
  // At kPlaintext: what is in that room.
  std::string_view plaintext() const noexcept;
  // The connection's input has ended, and next() has given kNeedMore or kEnd. Fails with
  // Errc::kTruncated where the peer has not said so first: what came may not be all.
  Result<void> finish();

  // Makes records of plaintext, in output(), and says how much of it was taken: none before
  // kHandshake, and less than all when the output has become longer than kOutputBytes: send that,
  // clear it, and call again with the rest. Fails with eddy::Errc::kClosed after shutdown().
  Result<size_t> send(std::string_view plaintext);
  // close_notify: nothing is sent any more; what the peer still sends goes on to be received.
  void shutdown();

  // What is to be sent to the peer.
  std::string_view output() const noexcept;
  void clear_output() noexcept;

  // --- Looking, from kHandshake on. The text lives as long as the session.
  bool is_established() const noexcept;
  std::string_view protocol() const noexcept;  // "TLSv1.3"
  std::string_view cipher() const noexcept;    // "TLS_AES_256_GCM_SHA384"
  std::string_view alpn() const noexcept;      // what was agreed on; empty if nothing was
  bool was_resumed() const noexcept;           // a session from before, so without a certificate
  // A server's: the name that the client asked for; empty if it asked for none.
  std::string_view server_name() const noexcept;
  // Of the peer's certificate, "CN=example.org,O=Example" (RFC 4514); empty if it has none.
  std::string peer_subject() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace eddy::tls
