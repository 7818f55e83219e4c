// Requests to an HTTP/1.1 server over TLS: HttpEngine's, through a TlsLayer. A connection stands
// once its handshake is over.
#pragma once

#include <string>
#include <string_view>

#include "load/http_engine.h"
#include "load/tls_layer.h"

namespace eddy::load {

class HttpsEngine final : public HttpEngine {
 public:
  HttpsEngine(Reactor& reactor, const LoadOptions& options, const Schedule& schedule,
              Events events);

 private:
  void start(Seat& seat) override;
  bool has_handshake() const override { return true; }
  void write(Seat& seat, uint32_t first, uint32_t count) override;
  bool receive(Seat& seat, std::string_view bytes) override;
  void receive_end(Seat& seat) override;
  void end_output(Seat& seat) override;
  void give_up(Seat& seat, const std::string& cause);
  void end_handshake(Seat& seat);
  void take_end(Seat& seat);

  TlsLayer tls_;
};

}  // namespace eddy::load
