// An echo server on libuv, as its guide writes one: a uv_write_t with its buffer for each write,
// and the read buffers, of the 64 KiB that libuv suggests, kept for reuse instead of freed.
//
// The guide leaves the queue of writes unbounded; here a stream whose queue is above a limit stops
// reading until it has been written.
#include <uv.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <vector>

#include "peer.h"

namespace {

constexpr size_t kBufferSize = 64 * 1024;
constexpr size_t kQueueLimit = 1024 * 1024;

struct Write {
  uv_write_t request;
  char bytes[kBufferSize];
};

std::vector<Write*> free_writes;

// A read's buffer lies in the write that will send it back.
void allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
  if (free_writes.empty()) free_writes.push_back(new Write);
  Write* write = free_writes.back();
  free_writes.pop_back();
  *buffer = uv_buf_init(write->bytes, kBufferSize);
}

Write* write_of(char* bytes) { return reinterpret_cast<Write*>(bytes - offsetof(Write, bytes)); }

void free_client(uv_handle_t* handle) { delete reinterpret_cast<uv_tcp_t*>(handle); }

void close_client(uv_stream_t* stream) {
  auto* handle = reinterpret_cast<uv_handle_t*>(stream);
  if (!uv_is_closing(handle)) uv_close(handle, free_client);
}

void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);

void on_written(uv_write_t* request, int status) {
  uv_stream_t* stream = request->handle;
  free_writes.push_back(reinterpret_cast<Write*>(request));
  if (status < 0) {
    close_client(stream);
  } else if (!uv_is_closing(reinterpret_cast<uv_handle_t*>(stream)) &&
             uv_stream_get_write_queue_size(stream) == 0 &&
             !uv_is_active(reinterpret_cast<uv_handle_t*>(stream))) {
    uv_read_start(stream, allocate, on_read);
  }
}

void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  Write* write = buffer->base != nullptr ? write_of(buffer->base) : nullptr;
  if (size > 0) {
    const uv_buf_t bytes = uv_buf_init(buffer->base, static_cast<unsigned>(size));
    if (uv_write(&write->request, stream, &bytes, 1, on_written) == 0) {
      if (uv_stream_get_write_queue_size(stream) > kQueueLimit) uv_read_stop(stream);
      return;
    }
    size = UV_EPIPE;
  }
  if (write != nullptr) free_writes.push_back(write);
  if (size < 0) close_client(stream);
}

void on_connection(uv_stream_t* server, int status) {
  if (status < 0) return;
  auto* client = new uv_tcp_t;
  uv_tcp_init(server->loop, client);
  auto* stream = reinterpret_cast<uv_stream_t*>(client);
  if (uv_accept(server, stream) == 0) {
    uv_tcp_nodelay(client, 1);
    uv_read_start(stream, allocate, on_read);
  } else {
    close_client(stream);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int port = peer::parse_port(argc, argv);
  peer::prepare_process();
  uv_loop_t* loop = uv_default_loop();
  uv_tcp_t server;
  uv_tcp_init(loop, &server);
  sockaddr_in address;
  uv_ip4_addr("127.0.0.1", port, &address);
  int error = uv_tcp_bind(&server, reinterpret_cast<const sockaddr*>(&address), 0);
  if (error == 0) {
    error = uv_listen(reinterpret_cast<uv_stream_t*>(&server), peer::kBacklog, on_connection);
  }
  if (error != 0) return peer::fail("listen", uv_strerror(error));
  uv_signal_t terminate;
  uv_signal_init(loop, &terminate);
  uv_signal_start(&terminate, [](uv_signal_t* signal, int) { uv_stop(signal->loop); }, SIGTERM);
  peer::announce();
  uv_run(loop, UV_RUN_DEFAULT);
}
