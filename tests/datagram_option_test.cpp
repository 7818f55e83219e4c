// What a socket of datagrams tells and is told beside the bytes: addresses, TTL, traffic class,
// times, segments, broadcast and multicast.
#include "support/datagram_test.h"

namespace eddy::test {
namespace {

constexpr unsigned kLoopback = 1;  // the interface, on Linux and in the model

class DatagramOption : public DatagramTest {
 public:
  // Two sockets of eddy's: what `sender` sends, `socket` writes down.
  void open_both(DatagramOptions wishes, std::string_view address = "127.0.0.1:0") {
    open(journal_options(std::move(wishes)), address);
    sender = bind(address, {.on_error = [this](Datagram&, const DatagramError& error) {
                    errors.push_back(error);
                  }});
  }
  void TearDown() override {
    if (sender.is_open()) sender.reset();
    DatagramTest::TearDown();
  }
  Datagram sender;
};

TEST_P(DatagramOption, TheDestinationAndTheInterfaceAreTold) {
  open(journal_options({.want_destination = true}), "0.0.0.0:0");
  const DatagramPeer peer(at("127.0.0.1:0"));
  peer.send_to(at("127.0.0.1:" + std::to_string(here.port())), "x");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].info.destination, at("127.0.0.1:0"));
  EXPECT_EQ(arrived[0].info.interface, kLoopback);
}

TEST_P(DatagramOption, TheDestinationIsToldByIPv6) {
  open(journal_options({.want_destination = true, .want_ttl = true, .want_traffic_class = true}),
       "[::]:0");
  const std::string port = std::to_string(here.port());
  const DatagramPeer six(at("[::1]:0"));
  six.send_to(at("[::1]:" + port), "by IPv6");
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].info.destination, at("[::1]:0"));
  EXPECT_EQ(arrived[0].info.interface, kLoopback);
  EXPECT_EQ(arrived[0].info.ttl, 64);
  EXPECT_EQ(arrived[0].info.traffic_class, 0);
  // … and by IPv4, to the same socket.
  const DatagramPeer four(at("127.0.0.1:0"));
  four.send_to(at("127.0.0.1:" + port), "by IPv4");
  EXPECT_TRUE(await_arrivals(2));
  EXPECT_EQ(arrived[1].info.destination, at("[::ffff:127.0.0.1]:0"));
  EXPECT_EQ(arrived[1].info.ttl, 64);
}

TEST_P(DatagramOption, TheSourceOfASendIsChosen) {
  open(journal_options());
  sender = bind("0.0.0.0:0", {});
  sender.send_to(Slice::of_static("x"), here, {.source = at("127.0.0.1:0")});
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].info.source.with_port(0), at("127.0.0.1:0"));
}

TEST_P(DatagramOption, ASourceThatIsNotOursIsAnError) {
  open_both({});
  sender.send_to(Slice::of_static("x"), here, {.source = at("203.0.113.7:0")});
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_TRUE(errors[0].is_of_send);
  EXPECT_EQ(errors[0].destination, here);
}

TEST_P(DatagramOption, TtlAndTrafficClass) {
  open_both({.want_ttl = true, .want_traffic_class = true});
  sender.send_to("as the socket has it", here);
  sender.send_to(Slice::of_static("for this one"), here, {.ttl = 7, .traffic_class = 0xb9});
  EXPECT_TRUE(sender.set_ttl(9));
  EXPECT_TRUE(run_until([&] { return sender.stats().sent == 2; }));
  EXPECT_TRUE(sender.set_traffic_class(2));  // ECN: it can do that (RFC 3168)
  sender.send_to("as it was set", here);
  EXPECT_TRUE(await_arrivals(3));
  EXPECT_EQ(arrived[1].info.ttl, 7);
  EXPECT_EQ(arrived[1].info.traffic_class, 0xb9);
  EXPECT_EQ(arrived[2].info.ttl, 9);
  EXPECT_EQ(arrived[2].info.traffic_class, 2);
  EXPECT_EQ(arrived[0].info.traffic_class, 0);
}

TEST_P(DatagramOption, TtlAndTrafficClassOfIPv6) {
  open_both({.want_ttl = true, .want_traffic_class = true}, "[::1]:0");
  sender.send_to(Slice::of_static("for this one"), here, {.ttl = 7, .traffic_class = 0x28});
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].info.ttl, 7);
  EXPECT_EQ(arrived[0].info.traffic_class, 0x28);
}

TEST_P(DatagramOption, TheTimeOfArrival) {
  open_both({.want_timestamp = true});
  const int64_t before_ns = plain_kernel().realtime_ns();
  sender.send_to("x", here);
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_GE(arrived[0].info.timestamp.count(), before_ns - 10'000'000);
  EXPECT_LE(arrived[0].info.timestamp.count(), plain_kernel().realtime_ns());
}

// What was not asked for is not there, whatever another socket has asked for.
TEST_P(DatagramOption, EachSocketIsToldWhatItAskedFor) {
  open_both({.want_ttl = true});
  std::vector<DatagramInfo> plain;
  DatagramOptions options;
  options.on_datagram = [&](Datagram&, Slice, const DatagramInfo& info) { plain.push_back(info); };
  Datagram other = bind("127.0.0.1:0", std::move(options));
  for (int i = 0; i < 3; ++i) {
    sender.send_to("x", here);
    sender.send_to("x", *other.local_address());
  }
  EXPECT_TRUE(run_until([&] { return arrived.size() == 3 && plain.size() == 3; }));
  for (const Arrived& each : arrived) EXPECT_EQ(each.info.ttl, 64);
  for (const DatagramInfo& each : plain) EXPECT_EQ(each.ttl, -1);
  other.close();
}

// --- Segments

TEST_P(DatagramOption, SegmentsLeaveAsDatagrams) {
  open_both({});
  sender.send_to(Slice::copy_of(pattern(2500)), here, {.segment_bytes = 1000});
  EXPECT_TRUE(await_arrivals(3));
  EXPECT_EQ(arrived[0].bytes, pattern(1000));
  EXPECT_EQ(arrived[1].bytes, pattern(1000, 1000));
  EXPECT_EQ(arrived[2].bytes, pattern(500, 2000));
}

TEST_P(DatagramOption, SegmentsArriveTogetherWhereTheyAreWanted) {
  open_both({.want_segments = true});
  sender.send_to(Slice::copy_of(pattern(2500)), here, {.segment_bytes = 1000});
  sender.send_to("alone", here);
  EXPECT_TRUE(await_arrivals(2));
  EXPECT_TRUE(arrived[0].bytes == pattern(2500));
  EXPECT_EQ(arrived[0].info.segment_bytes, 1000);
  EXPECT_EQ(arrived[0].info.length, 2500U);
  EXPECT_EQ(arrived[1].bytes, "alone");
  EXPECT_EQ(arrived[1].info.segment_bytes, 0);
}

TEST_P(DatagramOption, SegmentsComeBackAsTheyCame) {
  DatagramOptions options;
  options.want_segments = true;
  options.on_datagram = [](Datagram& self, Slice bytes, const DatagramInfo& info) {
    self.send_to(std::move(bytes), info.source, {.segment_bytes = info.segment_bytes});
  };
  Datagram echo = bind("127.0.0.1:0", std::move(options));
  open(journal_options());
  socket.send_to(Slice::copy_of(pattern(30'000)), *echo.local_address(), {.segment_bytes = 1200});
  EXPECT_TRUE(await_arrivals(25));
  std::string all;
  for (const Arrived& each : arrived) all += each.bytes;
  EXPECT_TRUE(all == pattern(30'000));
  echo.close();
}

TEST_P(DatagramOption, DatagramsToOneDestinationLeaveTogetherAndArriveAsTheyWere) {
  open_both({});
  DatagramPeer other(at("127.0.0.1:0"));
  // Two joined with a shorter end, one longer, an empty one, one too large to be joined, another
  // destination in between, and more than go into one message.
  std::vector<size_t> sizes = {100, 100, 50, 200, 0, 1500, 1500, 0, 60};
  sizes.insert(sizes.end(), 200, 70);
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i == 7) sender.send_to("elsewhere", other.address());
    ASSERT_TRUE(sender.send_to(Slice::copy_of(pattern(sizes[i], i)), here)) << i;
  }
  EXPECT_TRUE(await_arrivals(sizes.size()));
  ASSERT_EQ(arrived.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_TRUE(arrived[i].bytes == pattern(sizes[i], i)) << i << ": " << arrived[i].bytes.size();
    EXPECT_EQ(arrived[i].info.source, *sender.local_address());
  }
  EXPECT_TRUE(run_until([&] { return other.receive() == 1; }));
  EXPECT_EQ(other.received[0], "elsewhere");
  EXPECT_EQ(sender.stats().sent, sizes.size() + 1);
}

TEST_P(DatagramOption, DatagramsToThePeerLeaveTogetherToo) {
  open_both({.want_segments = true});
  ASSERT_TRUE(sender.connect(here));
  for (size_t i = 0; i < 10; ++i) ASSERT_TRUE(sender.send(Slice::copy_of(pattern(100, 100 * i))));
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_TRUE(arrived[0].bytes == pattern(1000));  // who asks for segments sees that they were one
  EXPECT_EQ(arrived[0].info.segment_bytes, 100);
}

// --- Broadcast and multicast

TEST_P(DatagramOption, ABroadcastNeedsLeave) {
  open(journal_options(), "0.0.0.0:0");
  const Address all = at("127.255.255.255:" + std::to_string(here.port()));
  socket.send_to("without", all);
  EXPECT_TRUE(run_until([&] { return errors.size() == 1; }));
  EXPECT_EQ(errors[0].code, std::errc::permission_denied);
  sender = bind("127.0.0.1:0", {.broadcast = true});
  sender.send_to("with", all);
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].bytes, "with");
}

class DatagramGroup : public DatagramOption {
 public:
  // A member-to-be, bound to the group's port; and who sends to it, by the loopback interface.
  void open_group(DatagramOptions wishes = {}) {
    open(journal_options(std::move(wishes)), "0.0.0.0:0");
    group = at("239.1.2.3:" + std::to_string(here.port()));
    sender = bind("127.0.0.1:0", {});
    EXPECT_TRUE(sender.set_multicast_interface(kLoopback));
  }
  // Nothing of what was sent before has come once this has.
  bool hears_only_what_is_sent_to_it() {
    const size_t before = arrived.size();
    sender.send_to("to itself", at("127.0.0.1:" + std::to_string(here.port())));
    return await_arrivals(before + 1) && arrived.size() == before + 1 &&
           arrived.back().bytes == "to itself";
  }
  Address group;
};

TEST_P(DatagramGroup, AMemberHearsUntilItLeaves) {
  open_group();
  ASSERT_TRUE(socket.join(group, kLoopback));
  EXPECT_EQ(socket.join(group, kLoopback).error().code(), std::errc::address_in_use);
  sender.send_to("to the group", group);
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].bytes, "to the group");
  ASSERT_TRUE(socket.leave(group, kLoopback));
  EXPECT_EQ(socket.leave(group, kLoopback).error().code(), std::errc::address_not_available);
  sender.send_to("to the group", group);
  EXPECT_TRUE(hears_only_what_is_sent_to_it());
}

TEST_P(DatagramGroup, EveryMemberHears) {
  open_group({.reuse_address = true});
  ASSERT_TRUE(socket.join(group, kLoopback));
  int heard = 0;
  DatagramOptions options;
  options.reuse_address = true;
  options.on_datagram = [&](Datagram&, Slice, const DatagramInfo&) { ++heard; };
  Datagram other = bind("0.0.0.0:" + std::to_string(here.port()), std::move(options));
  ASSERT_TRUE(other.join(group, kLoopback));
  sender.send_to("x", group);
  EXPECT_TRUE(run_until([&] { return arrived.size() == 1 && heard == 1; }));
  other.close();
}

TEST_P(DatagramGroup, OneSourceAlone) {
  open_group();
  ASSERT_TRUE(socket.join_source(group, at("127.0.0.2:0"), kLoopback));
  sender.send_to("from another", group);
  EXPECT_TRUE(hears_only_what_is_sent_to_it());
  ASSERT_TRUE(socket.join_source(group, at("127.0.0.1:0"), kLoopback));
  sender.send_to("from the source", group);
  EXPECT_TRUE(await_arrivals(2));
  EXPECT_EQ(arrived.back().bytes, "from the source");
  ASSERT_TRUE(socket.leave_source(group, at("127.0.0.1:0"), kLoopback));
  sender.send_to("from the source", group);
  EXPECT_TRUE(hears_only_what_is_sent_to_it());
}

TEST_P(DatagramGroup, HowFarItGoes) {
  open_group({.want_ttl = true});
  ASSERT_TRUE(socket.join(group, kLoopback));
  sender.send_to("as far as this network", group);
  EXPECT_TRUE(await_arrivals(1));
  EXPECT_EQ(arrived[0].info.ttl, 1);
  ASSERT_TRUE(sender.set_multicast_ttl(5));
  sender.send_to("farther", group);
  EXPECT_TRUE(await_arrivals(2));
  EXPECT_EQ(arrived[1].info.ttl, 5);
}

TEST_P(DatagramGroup, WithoutTheLoopOwnMembersDoNotHear) {
  open_group();
  ASSERT_TRUE(socket.join(group, kLoopback));
  ASSERT_TRUE(sender.set_multicast_loop(false));
  int loops = 1;
  socklen_t length = sizeof loops;
  EXPECT_EQ(plain_kernel().getsockopt(sender.descriptor(), IPPROTO_IP, IP_MULTICAST_LOOP, &loops,
                                      &length),
            0);
  EXPECT_EQ(loops, 0);
  // Linux's loopback interface, the one that is everywhere, brings back all that leaves by it.
  if (!GetParam().simulated) return;
  sender.send_to("x", group);
  EXPECT_TRUE(hears_only_what_is_sent_to_it());
}

TEST_P(DatagramGroup, WhatIsNoGroupIsRefused) {
  open_group();
  EXPECT_EQ(socket.join(at("127.0.0.1:1"), kLoopback).error().code(), std::errc::invalid_argument);
  EXPECT_EQ(socket.join(group, 99'999).error().code(), std::errc::no_such_device);
}

TEST_P(DatagramGroup, OfIPv6) {
  open(journal_options(), "[::]:0");
  ASSERT_TRUE(socket.join(at("[ff02::1234]:0"), kLoopback));
  ASSERT_TRUE(socket.leave(at("[ff02::1234]:0"), kLoopback));
  EXPECT_TRUE(socket.set_multicast_ttl(3));
  EXPECT_TRUE(socket.set_multicast_loop(true));
  EXPECT_TRUE(socket.set_multicast_interface(kLoopback));
}

EDDY_ON_EVERY_CONFIGURATION(DatagramOption);
EDDY_ON_EVERY_CONFIGURATION(DatagramGroup);

}  // namespace
}  // namespace eddy::test
