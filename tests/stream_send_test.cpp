// The ways to send: all of them in order, and together where they can be.
#include <algorithm>
#include <array>
#include <thread>

#include "support/stream_test.h"

namespace eddy::test {
namespace {

class StreamSend : public StreamTest {
 protected:
  // Sends all of it when the first byte comes, from inside a callback, and waits for what arrives.
  void answer_with(InlineFunction<void(Stream&)> send) {
    StreamOptions options;
    options.on_data = [send = std::move(send)](Stream& to, Slice) mutable { send(to); };
    serve_one(std::move(options));
    peer.send("?");
  }
};

TEST_P(StreamSend, SmallWritesOfOneCallbackLeaveTogether) {
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += std::to_string(i) + ",";
  answer_with([](Stream& to) {
    for (int i = 0; i < 100; ++i) to.send(std::to_string(i) + ",");
  });
  EXPECT_TRUE(run_until([&] { return peer.has_received(expected); }));
  EXPECT_EQ(peer.segments_received(), 1U);
  EXPECT_EQ(counters().copied_bytes, expected.size());
}

TEST_P(StreamSend, WhatSeveralCallbacksOfATurnSendLeavesTogether) {
  serve_one(journal.options());
  const auto in_this_turn = [this](std::string_view bytes) {
    reactor().defer([this, bytes] { stream.send(bytes); });
  };
  in_this_turn("one ");
  in_this_turn("two ");
  reactor().start_timer(0ns, [this] { stream.send("three "); });
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == std::string_view("one two three ").size();
  }));
  EXPECT_EQ(peer.received, "three one two ");  // timers come before what is deferred
  EXPECT_EQ(peer.segments_received(), 1U);
}

TEST_P(StreamSend, ReserveAndCommitLeaveTogetherWithoutACopy) {
  answer_with([](Stream& to) {
    for (char letter = 'a'; letter <= 'z'; ++letter) {
      const std::span<char> room = to.reserve(100);
      ASSERT_GE(room.size(), 100U);
      std::fill_n(room.data(), 100, letter);
      EXPECT_TRUE(to.commit(10));  // less than was reserved
    }
    to.reserve(1);
    EXPECT_TRUE(to.commit(0));
  });
  std::string expected;
  for (char letter = 'a'; letter <= 'z'; ++letter) expected.append(10, letter);
  EXPECT_TRUE(run_until([&] { return peer.has_received(expected); }));
  EXPECT_EQ(peer.segments_received(), 1U);
  EXPECT_EQ(counters().copied_bytes, 0U);
}

TEST_P(StreamSend, RoomLargerThanASegment) {
  static constexpr size_t kSize = 3'000'000;
  answer_with([](Stream& to) {
    const std::span<char> room = to.reserve(kSize);
    ASSERT_GE(room.size(), kSize);
    std::ranges::copy(pattern(kSize), room.begin());
    to.commit(kSize);
    to.send("!");
  });
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == kSize + 1;
  }));
  EXPECT_TRUE(is_pattern(std::string_view(peer.received).substr(0, kSize), 0));
  EXPECT_EQ(peer.received.back(), '!');
}

TEST_P(StreamSend, MoreThanIovMaxPieces) {
  static constexpr size_t kPieces = 5'000;
  static_assert(kPieces > IOV_MAX);
  // Pieces that do not lie side by side, or they would be merged.
  answer_with([](Stream& to) {
    for (size_t i = 0; i < kPieces; ++i) to.send(Slice::copy_of(pattern(7, i * 7)));
  });
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == kPieces * 7;
  }));
  EXPECT_TRUE(is_pattern(peer.received, 0));
}

TEST_P(StreamSend, EveryKindOfBytesInOrder) {
  std::string kept = "adopted ";
  answer_with([&](Stream& to) {
    to.send("copied ");
    to.send(Slice::of_static("static "));
    std::ranges::copy(std::string_view("reserved "), to.reserve(9).begin());
    to.commit(9);
    to.send(Slice::copy_of("slice "));
    to.send(Slice::adopt(std::move(kept)));
    to.send(SharedBytes::copy_of("shared ").slice());
    to.send(Slice::copy_of("xxmiddlexx").subslice(2, 6));
    to.send(Slice());
    to.send("");
  });
  EXPECT_TRUE(run_until(
      [&] { return peer.has_received("copied static reserved slice adopted shared middle"); }));
}

TEST_P(StreamSend, BytesFromAnotherThread) {
  serve_one(journal.options());
  SharedBytes bytes;
  std::thread([&] { bytes = SharedBytes::copy_of(pattern(100'000)); }).join();
  stream.send(bytes.slice());
  bytes = SharedBytes();
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return peer.received.size() == 100'000;
  }));
  EXPECT_TRUE(is_pattern(peer.received, 0));
}

TEST_P(StreamSend, DoneComesWhenTheKernelHasTakenTheBytes) {
  serve_one(journal.options(), 4096);
  Events order;
  const auto note = [&](const char* what) {
    return [&order, what](std::error_code code) { order.emplace_back(code ? "error" : what); };
  };
  stream.send("before");
  EXPECT_TRUE(stream.send(Slice::of_static("first"), note("first")));
  EXPECT_TRUE(order.empty());  // not from inside the call
  EXPECT_TRUE(run_until([&] { return order.size() == 1; }));
  EXPECT_TRUE(stream.send(Slice::copy_of(pattern(16 << 20)), note("large")));
  EXPECT_TRUE(stream.send(Slice::of_static("last"), note("last")));
  run_turns(50);
  EXPECT_EQ(order, (Events{"first"}));  // the peer has not read
  EXPECT_TRUE(run_until([&] {
    peer.receive();
    return order.size() == 3;
  }));
  EXPECT_EQ(order, (Events{"first", "large", "last"}));
}

TEST_P(StreamSend, DoneOfNoBytes) {
  serve_one(journal.options());
  int done = 0;
  EXPECT_TRUE(stream.send(Slice(), [&](std::error_code code) { done += code ? 100 : 1; }));
  EXPECT_EQ(done, 0);
  EXPECT_TRUE(run_until([&] { return done == 1; }));
}

TEST_P(StreamSend, DoneMaySendAgain) {
  serve_one(journal.options());
  int left = 50;
  struct Again {
    Stream stream;
    int* left;
    void operator()(std::error_code code) {
      ASSERT_FALSE(code);
      if (--*left > 0) stream.send(Slice::copy_of("x"), *this);
    }
  };
  stream.send(Slice::copy_of("x"), Again{stream, &left});
  EXPECT_TRUE(run_until([&] { return left == 0; }));
  EXPECT_TRUE(run_until([&] { return peer.has_received(std::string(50, 'x')); }));
}

TEST_P(StreamSend, DoneMayClose) {
  serve_one(journal.options());
  stream.send(Slice::of_static("x"), [this](std::error_code) { stream.close(); });
  EXPECT_TRUE(run_until([&] { return journal.closed() && peer.has_ended(); }));
  EXPECT_EQ(peer.received, "x");
}

// Each send has its one done, also where the stream ends before.
TEST_P(StreamSend, DoneIsToldOfTheEnd) {
  serve_one(journal.options(), 4096);
  std::vector<std::error_code> codes;
  for (int i = 0; i < 3; ++i) {
    stream.send(Slice::copy_of(pattern(8 << 20)),
                [&](std::error_code code) { codes.push_back(code); });
  }
  run_turns();
  peer.reset();
  EXPECT_TRUE(run_until([&] { return journal.closed(); }));
  ASSERT_EQ(codes.size(), 3U);
  for (const std::error_code code : codes) EXPECT_EQ(code, journal.code);
}

TEST_P(StreamSend, InOnOpen) {
  StreamOptions options = journal.options();
  options.on_open = [this](Stream& opened) {
    journal.note("open");
    opened.send("welcome");
  };
  serve_one(std::move(options));
  EXPECT_TRUE(run_until([&] { return peer.has_received("welcome"); }));
}

// A slice is good for as long as somebody has it.
TEST_P(StreamSend, ASliceOutlivesItsStream) {
  std::vector<Slice> kept;
  StreamOptions options = journal.options();
  options.on_data = [&](Stream&, Slice bytes) { kept.push_back(std::move(bytes)); };
  serve_one(std::move(options));
  peer.send("kept");
  ASSERT_TRUE(run_until([&] { return !kept.empty(); }));
  peer.close();
  ASSERT_TRUE(run_until([&] { return journal.count("end") == 1; }));
  stream.close();
  ASSERT_TRUE(run_until([&] { return journal.closed(); }));
  EXPECT_EQ(kept[0].view(), "kept");
  Peer other = Peer::connect_to(*server->local_address());
  ASSERT_TRUE(run_until([&] { return server->connections() == 1; }));
  server->for_each([&](Stream& to) { to.send(kept[0]); });
  EXPECT_TRUE(run_until([&] { return other.has_received("kept"); }));
}

EDDY_ON_EVERY_CONFIGURATION(StreamSend);

}  // namespace
}  // namespace eddy::test
