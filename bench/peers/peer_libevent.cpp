// An echo server on libevent's bufferevents, as its book writes one: evbuffer_add_buffer moves what
// came from the input to the output without a copy. The largest read and write of a turn are raised
// from 16 KiB to 64 KiB, and a connection whose output is above a limit stops reading until it is
// empty.
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>

#include "peer.h"

namespace {

constexpr size_t kOnce = 64 * 1024;
constexpr size_t kOutputLimit = 1024 * 1024;

void on_read(bufferevent* connection, void*) {
  evbuffer* output = bufferevent_get_output(connection);
  evbuffer_add_buffer(output, bufferevent_get_input(connection));
  if (evbuffer_get_length(output) > kOutputLimit) bufferevent_disable(connection, EV_READ);
}

// Called when the output has drained.
void on_written(bufferevent* connection, void*) {
  if ((bufferevent_get_enabled(connection) & EV_READ) == 0) bufferevent_enable(connection, EV_READ);
}

void on_event(bufferevent* connection, short what, void*) {
  if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) bufferevent_free(connection);
}

void on_accept(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  bufferevent* connection =
      bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_set_max_single_read(connection, kOnce);
  bufferevent_set_max_single_write(connection, kOnce);
  bufferevent_setcb(connection, on_read, on_written, on_event, nullptr);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

}  // namespace

int main(int argc, char** argv) {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  event_base* base = event_base_new();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  evconnlistener* listener = evconnlistener_new_bind(
      base, on_accept, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, peer::kBacklog,
      reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (listener == nullptr) return peer::fail("listen", std::strerror(errno));
  event* terminate = evsignal_new(
      base, SIGTERM,
      [](evutil_socket_t, short, void* loop) {
        event_base_loopbreak(static_cast<event_base*>(loop));
      },
      base);
  event_add(terminate, nullptr);
  peer::announce();
  event_base_dispatch(base);
}
