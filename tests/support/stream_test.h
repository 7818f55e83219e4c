// The fixture of suites about streams: a server, the journal of what its streams tell, and peers.
#pragma once

#include <eddy/net/server.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include "peer.h"
#include "reactor_test.h"

namespace eddy::test {

// What streams told, in order: "open", "data", "end", "drain", "close". Data that comes in several
// pieces is one entry.
class Journal {
 public:
  // Callbacks that write it. The journal must outlive the streams.
  StreamOptions options() {
    return {.on_open = [this](Stream&) { note("open"); },
            .on_data = [this](Stream&, Slice bytes) { note_data(bytes.view()); },
            .on_end = [this](Stream&) { note("end"); },
            .on_drain = [this](Stream&) { note("drain"); },
            .on_close = [this](Stream&, std::error_code reason) { note_close(reason); }};
  }

  void note(const char* event) { events.emplace_back(event); }
  void note_data(std::string_view bytes) {
    if (events.empty() || events.back() != "data") note("data");
    data += bytes;
  }
  void note_close(std::error_code reason) {
    note("close");
    code = reason;
  }

  size_t count(std::string_view event) const {
    return static_cast<size_t>(std::count(events.begin(), events.end(), event));
  }
  bool closed() const { return count("close") != 0; }

  std::vector<std::string> events;
  std::string data;
  std::error_code code;  // of the last close
};

using Events = std::vector<std::string>;

inline StreamOptions echo_options() {
  return {.on_data = [](Stream& peer, Slice bytes) { peer.send(std::move(bytes)); }};
}

class StreamTest : public ReactorTest {
 protected:
  // Listens on a free port of 127.0.0.1.
  Address serve(StreamOptions stream_options, const ServerOptions& server_options = {},
                const ListenOptions& listen_options = {}) {
    server.emplace(reactor(), std::move(stream_options), server_options);
    const auto listening = server->listen("127.0.0.1:0", listen_options);
    EXPECT_TRUE(listening) << listening.error().message();
    return server->local_address().value_or(Address());
  }

  // … and makes one connection: `peer` is its other side, `stream` the server's.
  void serve_one(StreamOptions stream_options, int peer_receive_buffer_bytes = 0) {
    const Address address = serve(std::move(stream_options));
    peer = Peer::connect_to(address, peer_receive_buffer_bytes);
    ASSERT_TRUE(peer.is_open());
    ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
    server->for_each([&](Stream& accepted) { stream = accepted; });
  }

  void TearDown() override {
    server.reset();
    peer.close();
    ReactorTest::TearDown();
  }

  Journal journal;
  std::optional<Server> server;
  Peer peer;
  Stream stream;
};

}  // namespace eddy::test
