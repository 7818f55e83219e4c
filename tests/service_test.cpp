// A server program as a whole: how it is replaced, drains, reloads and ends. Its parts are in
// service_manager_test.cpp and succession_test.cpp.
#include <eddy/net/service.h>
#include <eddy/net/succession.h>
#include <signal.h>
#include <stdlib.h>

#include <array>
#include <optional>
#include <string>

#include "support/service_test.h"

namespace eddy::test {
namespace {

class HotRestart : public ServiceTest {
 protected:
  StreamOptions answer_with(const char* answer) {
    return {.on_data = [answer](Stream& connection, const Slice&) { connection.send(answer); }};
  }
  bool answers(Peer& asking, std::string_view answer) {
    asking.received.clear();
    asking.send("?");
    return run_until([&] {
      if (successor_) {
        EXPECT_TRUE(successor_->run_once(0ns));
      }
      return asking.has_received(answer);
    });
  }
  void TearDown() override {
    successor_.reset();
    ServiceTest::TearDown();
  }
  std::optional<Reactor> successor_;
};

TEST_P(HotRestart, TheOldServesWhoItHasAndTheNewTakesWhoComes) {
  const ServiceOptions options = {.restart_socket = control().to_string()};
  Server old_server(reactor(), answer_with("old"));
  Service old_service(reactor(), options);
  ASSERT_TRUE(old_service.listen(old_server, "127.0.0.1:0"));
  const Address address = *old_server.local_address();
  ASSERT_TRUE(old_service.ready());
  EXPECT_FALSE(old_service.has_predecessor());
  Peer standing = Peer::connect_to(address);
  ASSERT_TRUE(answers(standing, "old"));

  successor_.emplace(plain_kernel(), reactor_options);  // a FaultyKernel is for one thread
  Server new_server(*successor_, answer_with("new"));
  std::optional<Service> new_service;
  while_it_serves([&] { new_service.emplace(*successor_, options); });
  EXPECT_TRUE(new_service->has_predecessor());
  // In the backlog of both.
  ASSERT_TRUE(new_service->listen(new_server, "127.0.0.1:0"));
  EXPECT_EQ(*new_server.local_address(), address);
  Peer between = Peer::connect_to(address);
  between.send("?");
  ASSERT_TRUE(new_service->ready());
  EXPECT_TRUE(new_service->has_predecessor());
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(successor_->run_once(0ns));
    return old_service.has_successor();
  }));
  EXPECT_LT(old_server.descriptor(), 0);
  run_turns();  // until then it may still have been accepting one
  EXPECT_TRUE(run_until([&] {
    EXPECT_TRUE(successor_->run_once(0ns));
    return between.has_received("old") || between.received == "new";
  }));
  for (int i = 0; i < 5; ++i) {
    Peer coming = Peer::connect_to(address);
    EXPECT_TRUE(answers(coming, "new"));
  }
  EXPECT_TRUE(answers(standing, "old"));
  between.close();
  standing.close();
  EXPECT_TRUE(run_until([&] { return old_server.connections() == 0; }));
  new_service.reset();
}

TEST_P(HotRestart, ThoseThatStayLongerThanTheyMayAreDrained) {
  const ServiceOptions options = {.serve_on = 20ms, .restart_socket = control().to_string()};
  Server old_server(reactor(), answer_with("old"));
  Service old_service(reactor(), options);
  ASSERT_TRUE(old_service.listen(old_server, "127.0.0.1:0"));
  ASSERT_TRUE(old_service.ready());
  Peer standing = Peer::connect_to(*old_server.local_address());
  ASSERT_TRUE(answers(standing, "old"));
  while_it_serves(
      [&] { Predecessor::find(plain_kernel(), *Address::parse(options.restart_socket))->ready(); });
  EXPECT_TRUE(run_until([&] { return standing.has_ended(); }));
  standing.close();
  EXPECT_TRUE(run_until([&] { return old_server.connections() == 0; }));
}

TEST_P(HotRestart, ASignalDrainsAndASecondStops) {
  Server its_server(reactor(), answer_with("x"));
  int drained = 0;
  Service service(reactor(), {.drain = kDeadline, .on_drain = [&] { ++drained; }});
  ASSERT_TRUE(service.listen(its_server, "127.0.0.1:0"));
  ASSERT_TRUE(service.ready());
  Peer idle = Peer::connect_to(*its_server.local_address());
  ASSERT_TRUE(answers(idle, "x"));
  machine().raise(SIGTERM);
  EXPECT_TRUE(run_until([&] { return drained == 1; }));
  EXPECT_LT(its_server.descriptor(), 0);
  machine().raise(SIGINT);
  reactor().ref();
  EXPECT_EQ(reactor().run(), 0);
  reactor().unref();
  EXPECT_EQ(drained, 1);
}

TEST_P(HotRestart, AReloadIsToldBeforeAndAfter) {
  const Address notices = control();
  const Descriptor socket(
      plain_kernel().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ASSERT_EQ(plain_kernel().bind(socket.get(), notices.data(), notices.size()), 0);
  setenv("NOTIFY_SOCKET", notices.to_string().substr(5).c_str(), 1);
  setenv("WATCHDOG_USEC", "20000", 1);
  std::string told;
  const auto listen_to_it = [&] {
    std::array<char, 256> text;
    ssize_t count = 0;
    while ((count = plain_kernel().recv(socket.get(), text.data(), text.size(), 0)) > 0) {
      told += std::string(text.data(), 11) + "|";
    }
    return told;
  };
  Service service(reactor(), {.on_reload = [&] {
                    listen_to_it();
                    told += "reload|";
                  }});
  ASSERT_TRUE(service.ready());
  EXPECT_TRUE(run_until([&] { return listen_to_it().find("WATCHDOG=1") != std::string::npos; }));
  told.clear();
  machine().raise(SIGHUP);
  EXPECT_TRUE(
      run_until([&] { return listen_to_it().find("reload|READY=1") != std::string::npos; }));
  EXPECT_NE(told.find("RELOADING=1|"), std::string::npos);
  EXPECT_LT(told.find("RELOADING=1|"), told.find("reload|"));
}

EDDY_ON_EVERY_CONFIGURATION(HotRestart);

}  // namespace
}  // namespace eddy::test
