// Closing and destroying is legal in every callback: of this stream, of another one whose events
// are in the same batch, of the server. What was closed is heard of no more, but for its on_close.
#include <algorithm>
#include <array>
#include <memory>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

enum class Act { kCloseSelf, kResetSelf, kCloseOther, kResetOther, kCloseBoth, kDestroyServer };
constexpr std::array kActs = {Act::kCloseSelf,  Act::kResetSelf, Act::kCloseOther,
                              Act::kResetOther, Act::kCloseBoth, Act::kDestroyServer};

class LifetimeCallbacks : public StreamTest {
 protected:
  // Two connections, in whose callbacks `event` does what the act says, once.
  class Pair {
   public:
    Pair(LifetimeCallbacks& test, const std::string& event, Act act)
        : test_(test), event_(event), act_(act) {
      test.serve(options());
      for (Peer& peer : peers) peer = Peer::connect_to(*test.server->local_address());
    }

    // One of them fires `event_`, the other has something to tell in the same batch.
    void provoke() {
      for (Peer& peer : peers) {
        peer.send("x");
        if (event_ == "end") peer.shutdown_write();
        if (event_ == "close") peer.reset();
      }
    }
    bool acted() const { return acted_; }
    std::array<Peer, 2> peers;
    int opens = 0;
    int closes = 0;

   private:
    StreamOptions options() {
      return {.on_open =
                  [this](Stream& stream) {
                    ++opens;
                    streams_.push_back(stream);
                    maybe("open", stream);
                  },
              .on_data =
                  [this](Stream& stream, Slice bytes) {
                    expect_alive(stream);
                    // Both directions are busy when it happens.
                    stream.send(bytes);
                    if (event_ == "done") {
                      stream.send(bytes, [this, stream](std::error_code code) mutable {
                        if (!code) maybe("done", stream);
                      });
                    }
                    maybe("data", stream);
                  },
              .on_end =
                  [this](Stream& stream) {
                    expect_alive(stream);
                    maybe("end", stream);
                    if (stream.is_open()) stream.close();
                  },
              .on_close =
                  [this](Stream& stream, std::error_code) {
                    ++closes;
                    std::erase(streams_, stream);
                    maybe("close", stream);
                  }};
    }
    void expect_alive(Stream& stream) {
      EXPECT_TRUE(stream.is_open()) << "told of a stream that was closed, in " << event_;
      EXPECT_TRUE(test_.server) << "told of a stream whose server is gone, in " << event_;
    }
    void maybe(std::string_view event, Stream& stream) {
      if (event != event_ || acted_ || streams_.empty()) return;
      const bool wants_other = act_ == Act::kCloseOther || act_ == Act::kResetOther;
      if (wants_other && (streams_.size() < 2 && streams_.front() == stream)) return;
      acted_ = true;
      Stream self = stream;
      Stream other = streams_.front() == stream ? streams_.back() : streams_.front();
      switch (act_) {
        case Act::kCloseSelf: return self.close();
        case Act::kResetSelf: return self.reset();
        case Act::kCloseOther: return other.close();
        case Act::kResetOther: return other.reset();
        case Act::kCloseBoth: other.close(); return self.reset();
        case Act::kDestroyServer: streams_.clear(); test_.server.reset();
      }
    }

    LifetimeCallbacks& test_;
    const std::string event_;
    const Act act_;
    std::vector<Stream> streams_;
    bool acted_ = false;
  };

  void every_act_in(const std::string& event) {
    for (const Act act : kActs) {
      SCOPED_TRACE(static_cast<int>(act));
      auto pair = std::make_unique<Pair>(*this, event, act);
      if (event != "open") {
        ASSERT_TRUE(run_until([&] { return server->connections() == 2; }));
      }
      pair->provoke();
      ASSERT_TRUE(run_until([&] { return pair->acted(); }));
      const bool destroys = act == Act::kDestroyServer;
      EXPECT_EQ(!server, destroys);
      for (Peer& left : pair->peers) left.close();
      server.reset();
      expect_baseline();
      EXPECT_LE(pair->closes, pair->opens);
    }
  }
};

TEST_P(LifetimeCallbacks, InOnOpen) { every_act_in("open"); }
TEST_P(LifetimeCallbacks, InOnData) { every_act_in("data"); }
TEST_P(LifetimeCallbacks, InOnEnd) { every_act_in("end"); }
TEST_P(LifetimeCallbacks, InTheDoneOfASend) { every_act_in("done"); }
TEST_P(LifetimeCallbacks, InOnClose) { every_act_in("close"); }

TEST_P(LifetimeCallbacks, InOnDrain) {
  for (const bool destroys : {false, true}) {
    StreamOptions options = journal.options();
    options.high_watermark_bytes = 1000;
    options.low_watermark_bytes = 100;
    options.on_drain = [&](Stream& drained) {
      journal.note("drain");
      destroys ? server.reset() : drained.reset();
    };
    serve_one(std::move(options));
    stream.send(Slice::copy_of(pattern(2000)));
    EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
    server.reset();
    expect_baseline();
  }
  EXPECT_EQ(journal.count("drain"), 2U);
}

// The socket can be read and written again at once, and what is told of either ends the stream.
TEST_P(LifetimeCallbacks, WithReadAndWriteReadyInTheSameBatch) {
  for (const bool on_write : {false, true}) {
    for (const bool resets : {false, true}) {
      SCOPED_TRACE(2 * on_write + resets);
      journal = Journal();
      bool stuck = false;
      const auto end = [&](Stream& ended) {
        if (stuck) resets ? ended.reset() : ended.close();
      };
      StreamOptions options = journal.options();
      options.high_watermark_bytes = 0;
      options.low_watermark_bytes = SIZE_MAX;  // on_drain comes with the first byte that is taken
      options.read_while_full = true;
      options.on_data = [&](Stream& from, Slice) {
        if (!on_write) end(from);
      };
      options.on_drain = [&](Stream& drained) {
        if (on_write) end(drained);
      };
      serve_one(std::move(options));
      stream.send(Slice::copy_of(pattern(16 << 20)));
      run_turns();
      ASSERT_GT(stream.queued_bytes(), 0U);
      stream.send("y");
      stuck = true;
      peer.receive();
      peer.send("x");
      EXPECT_TRUE(run_until([&] {
        peer.receive();
        return journal.closed();
      }));
      EXPECT_EQ(journal.events, (Events{"open", "close"}));
      EXPECT_FALSE(journal.code);
      server.reset();
      peer.close();
      expect_baseline();
    }
  }
}

// Timers, posts and deferred work are callbacks of the turn as well.
TEST_P(LifetimeCallbacks, FromWhatIsNoStreamsCallback) {
  const auto from = [this](int source, InlineFunction<void()> act) {
    switch (source) {
      case 0: reactor().start_timer(0ns, std::move(act)); break;
      case 1: reactor().defer(std::move(act)); break;
      default: reactor().post(std::move(act));
    }
  };
  for (int source = 0; source < 3; ++source) {
    for (const bool destroys : {false, true}) {
      journal = Journal();
      serve_one(journal.options());
      peer.send("x");
      from(source, [&, destroys] { destroys ? server.reset() : stream.reset(); });
      EXPECT_TRUE(run_until([&] { return peer.has_ended() || peer.has_failed(); }));
      run_turns();
      EXPECT_EQ(journal.closed(), !destroys);
      server.reset();
      expect_baseline();
    }
  }
}

// The one that is told first closes all the others, whose events are in the same batch.
TEST_P(LifetimeCallbacks, OneOfManyClosesTheRest) {
  std::vector<Stream> streams;
  int told = 0;
  StreamOptions options;
  options.on_open = [&](Stream& opened) { streams.push_back(opened); };
  options.on_data = [&](Stream& first, Slice) {
    ++told;
    for (Stream& other : streams) {
      if (!(other == first)) other.reset();
    }
  };
  const Address address = serve(std::move(options));
  std::vector<Peer> peers;
  for (int i = 0; i < 50; ++i) peers.push_back(Peer::connect_to(address));
  ASSERT_TRUE(run_until([&] { return server->connections() == 50; }));
  for (Peer& peer_of_many : peers) peer_of_many.send("x");
  EXPECT_TRUE(run_until([&] { return server->connections() == 1; }));
  EXPECT_EQ(told, 1);
}

// A number that is free again is given to the next connection at once; what was meant for the old
// one goes nowhere.
TEST_P(LifetimeCallbacks, DescriptorsAreReusedWithinABatch) {
  StreamOptions options = echo_options();
  int count = 0;
  options.on_data = [&](Stream& to, Slice bytes) {
    if (++count % 3 == 0) return to.reset();
    to.send(std::move(bytes));
  };
  const Address address = serve(std::move(options));
  for (int round = 0; round < 60; ++round) {
    std::vector<Peer> peers;
    for (int i = 0; i < 10; ++i) {
      peers.push_back(Peer::connect_to(address));
      const std::string message = "round " + std::to_string(round) + " peer " + std::to_string(i);
      peers.back().send(message);
    }
    ASSERT_TRUE(run_until([&] {
      return std::ranges::all_of(peers, [](Peer& p) {
        p.receive();
        return p.error != 0 || !p.received.empty();
      });
    }));
    for (size_t i = 0; i < peers.size(); ++i) {
      if (peers[i].error != 0) continue;
      EXPECT_EQ(peers[i].received, "round " + std::to_string(round) + " peer " + std::to_string(i));
    }
    if (round % 2 == 0) {
      for (Peer& left : peers) left.reset();
    }
  }
  EXPECT_TRUE(run_until([&] { return server->connections() == 0; }));
}

// Somebody else holds the socket open (dup(2), fork(2)): nothing more is heard of it all the same.
TEST_P(LifetimeCallbacks, ADuplicatedDescriptor) {
  serve_one(journal.options());
  Descriptor duplicate(machine().duplicate(stream.descriptor()));
  stream.close();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  peer.send("for the duplicate");
  run_turns();
  expect_no_spin();
  Peer side(duplicate.release());
  EXPECT_TRUE(side.has_received("for the duplicate"));
  EXPECT_EQ(journal.events, (Events{"open", "close"}));
}

TEST_P(LifetimeCallbacks, TheListenersOwnCallbackDestroysIt) {
  std::optional<Listener> listener;
  Descriptor accepted;
  const auto only_one =
      std::make_shared<int>(0);  // lives in the callback, and so must the callback
  listener.emplace(reactor(), [&, only_one](int fd) {
    accepted.reset(fd);
    listener.reset();
    ++*only_one;
  });
  ASSERT_TRUE(listener->listen("127.0.0.1:0"));
  const Address address = *listener->local_address();
  peer = Peer::connect_to(address);
  const Peer second = Peer::connect_to(address);
  EXPECT_TRUE(run_until([&] { return !listener; }));
  EXPECT_EQ(*only_one, 1);
  EXPECT_TRUE(accepted.is_open());
}

EDDY_ON_EVERY_CONFIGURATION(LifetimeCallbacks);

}  // namespace
}  // namespace eddy::test
