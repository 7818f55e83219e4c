// An echo server on standalone Asio, as its examples write one: a session that owns itself reads
// some, writes all of it, and reads again, with one buffer of 64 KiB for the session's life.
#include <array>
#include <asio.hpp>
#include <memory>

#include "peer.h"

namespace {

using asio::ip::tcp;

constexpr size_t kBufferSize = 64 * 1024;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](std::error_code error, size_t size) {
                              if (!error) self->write(size);
                            });
  }

 private:
  void write(size_t size) {
    asio::async_write(socket_, asio::buffer(buffer_.data(), size),
                      [self = shared_from_this()](std::error_code error, size_t) {
                        if (!error) self->read();
                      });
  }

  tcp::socket socket_;
  std::array<char, kBufferSize> buffer_;
};

void accept_next(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](std::error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error && !socket.set_option(tcp::no_delay(true), error)) {
      std::make_shared<Session>(std::move(socket))->read();
    }
    accept_next(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) try {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  asio::io_context context(1);  // one thread: the locks of a shared context are left out
  const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), static_cast<uint16_t>(port));
  tcp::acceptor acceptor(context, endpoint.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(endpoint);
  acceptor.listen(peer::kBacklog);
  asio::signal_set terminate(context, SIGTERM);
  terminate.async_wait([&context](std::error_code, int) { context.stop(); });
  accept_next(acceptor);
  peer::announce();
  context.run();
} catch (const std::system_error& error) {
  return peer::fail("peer_asio", error.what());
}
