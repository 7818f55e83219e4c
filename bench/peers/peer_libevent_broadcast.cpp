// A broadcast on libevent: when a byte comes, from anybody, all get the same 16 KiB, each by a
// reference to it (evbuffer_add_reference), without a copy.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <csignal>
#include <string>
#include <vector>

#include "../client/pattern.h"
#include "peer.h"

namespace {

constexpr size_t kMessageSize = 16 * 1024;
constexpr size_t kOnce = 64 * 1024;  // libevent writes 16 KiB at once unless told otherwise

std::string message;
std::vector<bufferevent*> receivers;

void on_read(bufferevent* connection, void*) {
  evbuffer* input = bufferevent_get_input(connection);
  evbuffer_drain(input, evbuffer_get_length(input));
  for (bufferevent* receiver : receivers) {
    evbuffer_add_reference(bufferevent_get_output(receiver), message.data(), message.size(),
                           nullptr, nullptr);
  }
}

void on_event(bufferevent* connection, short what, void*) {
  if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0) return;
  std::erase(receivers, connection);
  bufferevent_free(connection);
}

void on_accept(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void*) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  bufferevent* connection =
      bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_set_max_single_write(connection, kOnce);
  bufferevent_setcb(connection, on_read, nullptr, on_event, nullptr);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
  receivers.push_back(connection);
}

}  // namespace

int main(int argc, char** argv) {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  message.assign(bench::Pattern(kMessageSize).at(0), kMessageSize);
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
