// The fixture of suites about servers on several reactors: one that says which of them answered,
// and its peers.
#pragma once

#include <eddy/net/pool_server.h>

#include <atomic>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reactor_pool_test.h"

namespace eddy::test {

class PoolServing : public ReactorPoolTest {
 protected:
  // Serves with an echo, which also says in which reactor it is.
  void serve_all(Accepting accepting, std::string_view address = "127.0.0.1:0") {
    server_.emplace(
        pool(),
        [this](Reactor&, unsigned index) {
          return StreamOptions{.on_data =
                                   [index](Stream& connection, const Slice& bytes) {
                                     connection.send(std::to_string(index) + bytes.str());
                                   },
                               .on_close = [this](Stream&, std::error_code) { ++closed_; }};
        },
        PoolServerOptions{.accepting = accepting});
    const auto listening = server_->listen(address);
    ASSERT_TRUE(listening) << listening.error().message();
    ASSERT_TRUE(pool().start());
    address_ = server_->local_address().value_or(Address());
  }
  // Connects, asks, and returns which reactor answered; -1 if none.
  int ask(Peer& asking) {
    asking.received.clear();
    asking.send("?");
    const bool answered = run_until([&] {
      asking.receive();
      return asking.received.size() == 2 || asking.ended || asking.error != 0;
    });
    return answered && asking.received.size() == 2 ? asking.received[0] - '0' : -1;
  }
  // How many of so many new connections each reactor has.
  std::vector<int> spread(int connections) {
    std::vector<int> counts(kReactors);
    for (int i = 0; i < connections; ++i) {
      peers_.push_back(Peer::connect_to(address_));
      const int index = ask(peers_.back());
      EXPECT_GE(index, 0);
      if (index >= 0) ++counts[static_cast<size_t>(index)];
    }
    return counts;
  }
  // The peers end when they are told that no more comes.
  void expect_end() {
    EXPECT_TRUE(run_until([&] {
      for (Peer& served : peers_) {
        if (served.is_open() && served.has_ended()) served.close();
      }
      return server_->connections() == 0;
    }));
    EXPECT_TRUE(pool().join());
    EXPECT_EQ(server_->connections(), 0U);
  }
  void TearDown() override {
    peers_.clear();
    server_.reset();
    ReactorPoolTest::TearDown();
  }

  std::optional<PoolServer> server_;
  Address address_;
  std::vector<Peer> peers_;
  std::atomic<unsigned> closed_ = 0;
};

}  // namespace eddy::test
