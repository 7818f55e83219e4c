#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace eddy {
namespace {

// The socket, ready to be connected; at failure nothing is left of it.
Result<int> make_socket(Kernel& kernel, const Address& peer, const ConnectOptions& options,
                        bool no_delay) {
  const int fd = kernel.socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", peer.to_string());
  const int on = 1;
  const int delay = no_delay ? 1 : 0;
  kernel.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &delay, sizeof delay);
  kernel.setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  if (!options.source) return fd;
  // The port is chosen at connect, when the peer is known: the same one may then serve for several
  // peers (ip(7)).
  kernel.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  const int failed = kernel.bind(fd, options.source->data(), options.source->size());
  if (failed == 0) return fd;
  kernel.close(fd);
  return failure(failed, "bind", options.source->to_string());
}

}  // namespace

Connector::Connector(Reactor& reactor, StreamOptions stream_options, ConnectOptions connect_options)
    : Connector(reactor,
                SharedStreamOptions(std::make_shared<StreamOptions>(std::move(stream_options))),
                std::move(connect_options)) {}

Connector::Connector(Reactor& reactor, SharedStreamOptions stream_options,
                     ConnectOptions connect_options)
    : reactor_(reactor),
      stream_options_(std::move(stream_options.options)),
      connect_options_(std::move(connect_options)) {}

Result<Stream> Connector::connect(std::string_view address) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return connect(*parsed);
}

Result<Stream> Connector::connect(const Address& address) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  StreamSlot* slot = StreamSlot::make(reactor_, stream_options_, nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "connect", address.to_string());
  auto fd = make_socket(reactor_.kernel(), address, connect_options_, stream_options_->no_delay);
  if (!fd) {
    slot->discard();
    return std::unexpected(fd.error());
  }
  const Stream stream = slot->handle();
  const int failed = slot->begin_connect(*fd, address, connect_options_.timeout);
  if (failed == 0) return stream;
  reactor_.kernel().close(*fd);
  return failure(failed, "connect", address.to_string());
}

}  // namespace eddy
