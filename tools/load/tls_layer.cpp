#include "load/tls_layer.h"

#include <eddy/net/tls/error.h>

#include <utility>

namespace eddy::load {

using Event = tls::Session::Event;

TlsLayer::TlsLayer(const TlsOptions& options, size_t seats) : options_(options), sessions_(seats) {}

Result<void> TlsLayer::start(size_t seat, Stream& stream) {
  auto made = tls::Session::make(*options_.context, options_.server_name);
  if (!made) return std::unexpected(made.error());
  sessions_[seat] = std::move(*made);
  flush(seat, stream);
  return {};
}

Result<Event> TlsLayer::next(size_t seat, Stream& stream, std::string_view& bytes) {
  auto event = session(seat).next(bytes, room_);
  if (!event || *event == Event::kNeedMore || *event == Event::kEnd) flush(seat, stream);
  return event;
}

// A failure is told by the next event, too.
void TlsLayer::send(size_t seat, Stream& stream, std::string_view plaintext) {
  while (!plaintext.empty()) {
    const auto taken = session(seat).send(plaintext);
    if (!taken || *taken == 0) return;
    plaintext.remove_prefix(*taken);
    flush(seat, stream);
  }
}

void TlsLayer::shut_down(size_t seat, Stream& stream) {
  session(seat).shutdown();
  flush(seat, stream);
}

void TlsLayer::flush(size_t seat, Stream& stream) {
  const std::string_view output = session(seat).output();
  if (!output.empty()) stream.send(output);
  session(seat).clear_output();
}

std::string TlsLayer::agreed(size_t seat) {
  const tls::Session& with = session(seat);
  std::string text = std::string(with.protocol()) + ", " + std::string(with.cipher());
  if (!with.alpn().empty()) text += ", " + std::string(with.alpn());
  return text;
}

std::string cause_of(const Error& error) {
  std::string cause = error.code().message();
  if (!error.advice().empty()) cause += " (" + error.advice() + ")";
  if (tls::is_name_mismatch(error.code())) {
    return cause + "; --sni NAME says which name it should have, -k takes any certificate";
  }
  if (tls::is_certificate_error(error.code())) {
    return cause + "; --ca FILE says whose certificates are trusted, -k takes any";
  }
  return cause;
}

}  // namespace eddy::load
