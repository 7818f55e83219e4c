// A UDP echo server on libuv, as its documentation writes one: datagrams come in batches into one
// large allocation (UV_UDP_RECVMMSG), and each is sent back at once from where it lies
// (uv_udp_try_send); only if the socket is full it is copied and queued (uv_udp_send).
#include <uv.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "peer.h"

namespace {

// libuv takes 64 KiB a datagram, and 20 datagrams at the most.
constexpr size_t kBufferSize = size_t{20} * 64 * 1024;

struct Send {
  uv_udp_send_t request;
  std::unique_ptr<char[]> bytes;
};

void allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
  static char memory[kBufferSize];
  *buffer = uv_buf_init(memory, kBufferSize);
}

void send_later(uv_udp_t* socket, const char* bytes, size_t size, const sockaddr* to) {
  auto* send = new Send{.request = {}, .bytes = std::make_unique<char[]>(size)};
  std::memcpy(send->bytes.get(), bytes, size);
  const uv_buf_t buffer = uv_buf_init(send->bytes.get(), static_cast<unsigned>(size));
  const auto sent = [](uv_udp_send_t* request, int) { delete reinterpret_cast<Send*>(request); };
  if (uv_udp_send(&send->request, socket, &buffer, 1, to, sent) != 0) delete send;
}

void on_receive(uv_udp_t* socket, ssize_t size, const uv_buf_t* buffer, const sockaddr* from,
                unsigned) {
  if (size <= 0 || from == nullptr) return;
  const uv_buf_t bytes = uv_buf_init(buffer->base, static_cast<unsigned>(size));
  if (uv_udp_try_send(socket, &bytes, 1, from) == UV_EAGAIN) {
    send_later(socket, buffer->base, static_cast<size_t>(size), from);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  uv_loop_t* loop = uv_default_loop();
  uv_udp_t socket;
  uv_udp_init_ex(loop, &socket, AF_INET | UV_UDP_RECVMMSG);
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", port, &address);
  int error = uv_udp_bind(&socket, reinterpret_cast<const sockaddr*>(&address), 0);
  if (error == 0) error = uv_udp_recv_start(&socket, allocate, on_receive);
  if (error != 0) return peer::fail("bind", uv_strerror(error));
  uv_signal_t terminate;
  uv_signal_init(loop, &terminate);
  uv_signal_start(&terminate, [](uv_signal_t* signal, int) { uv_stop(signal->loop); }, SIGTERM);
  peer::announce();
  uv_run(loop, UV_RUN_DEFAULT);
}
