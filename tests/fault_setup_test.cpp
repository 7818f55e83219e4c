// What a reactor makes of a kernel that refuses to set it up: epoll in io_uring's place, or an
// error that is kept and told, and nothing left behind.
#include <stdlib.h>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

// Chooses for itself, whatever the environment asks the other tests for.
class FaultSetup : public testing::TestWithParam<Configuration> {
 private:
  const Machine machine_{GetParam().simulated};  // before all else, and gone after it

 protected:
  void SetUp() override {
    if (const char* value = getenv("EDDY_BACKEND")) asked_ = value;
    unsetenv("EDDY_BACKEND");
  }
  void TearDown() override {
    if (asked_) setenv("EDDY_BACKEND", asked_->c_str(), 1);
    EXPECT_EQ(machine().open_descriptors(), descriptors_at_start_);
  }

  // The reactor has epoll, says why, and works; who insists on io_uring is told the same.
  void expect_epoll_because(const std::string& reason) {
    {
      Reactor reactor(kernel_);
      ASSERT_FALSE(reactor.error()) << reactor.error()->message();
      EXPECT_EQ(reactor.backend().kind, BackendKind::kEpoll);
      EXPECT_NE(reactor.backend().reason.find(reason), std::string::npos)
          << reactor.backend().reason;
      bool ran = false;
      reactor.start_timer(1us, [&] { ran = true; });
      EXPECT_EQ(reactor.run(), 0);
      EXPECT_TRUE(ran);
    }
    const Reactor insisting(kernel_, {.backend = BackendKind::kUring});
    ASSERT_TRUE(insisting.error());
    EXPECT_NE(insisting.error()->message().find(reason), std::string::npos);
    EXPECT_EQ(machine().open_descriptors(), descriptors_at_start_);
  }
  bool has_uring() {
    return choose_backend(plain_kernel(), {.backend = BackendKind::kUring}).has_value();
  }
  FaultPlan& plan() { return kernel_.plan(); }

  FaultyKernel kernel_{plain_kernel()};
  const size_t descriptors_at_start_ = machine().open_descriptors();

 private:
  std::optional<std::string> asked_;
};

#if EDDY_HAS_URING

TEST_P(FaultSetup, UringForbiddenWithEperm) {
  plan().fail(SystemCall::kUringSetup, EPERM, kEveryTime);
  expect_epoll_because("io_uring_setup: Operation not permitted");
}

TEST_P(FaultSetup, UringForbiddenWithEnosys) {
  plan().fail(SystemCall::kUringSetup, ENOSYS, kEveryTime);
  expect_epoll_because("io_uring_setup: Function not implemented");
}

TEST_P(FaultSetup, UringWithoutDescriptors) {
  plan().fail(SystemCall::kUringSetup, EMFILE, kEveryTime);
  expect_epoll_because("io_uring_setup: Too many open files (this process has as many open files");
}

#endif

// One operation is forbidden, as a ring's restrictions may have it (IORING_REGISTER_RESTRICTIONS).
class FaultSetupOperation : public FaultSetup {
 protected:
  void expect_needed(UringOperation operation, const char* name) {
    if (!has_uring()) return expect_epoll_because("io_uring");
    plan().fail(operation, EACCES, kEveryTime);
    expect_epoll_because(std::string(name) + ": Permission denied");
  }
};

TEST_P(FaultSetupOperation, Accept) { expect_needed(UringOperation::kAccept, "io_uring accept"); }
TEST_P(FaultSetupOperation, Receive) {
  expect_needed(UringOperation::kReceive, "io_uring multishot receive");
}
TEST_P(FaultSetupOperation, Send) { expect_needed(UringOperation::kSend, "io_uring send"); }
TEST_P(FaultSetupOperation, Connect) {
  expect_needed(UringOperation::kConnect, "io_uring connect");
}
TEST_P(FaultSetupOperation, Poll) { expect_needed(UringOperation::kPoll, "io_uring poll"); }
TEST_P(FaultSetupOperation, Cancel) { expect_needed(UringOperation::kCancel, "io_uring cancel"); }
TEST_P(FaultSetupOperation, Close) { expect_needed(UringOperation::kClose, "io_uring close"); }
TEST_P(FaultSetupOperation, FilesUpdate) {
  expect_needed(UringOperation::kFilesUpdate, "io_uring files");
}

TEST_P(FaultSetup, BufferRingsForbidden) {
  if (!has_uring()) return expect_epoll_because("io_uring");
  plan().fail(SystemCall::kUringRegister, EACCES, kEveryTime);
  expect_epoll_because("Permission denied");
}

TEST_P(FaultSetup, RingCannotBeMapped) {
  if (!has_uring()) return expect_epoll_because("io_uring");
  plan().fail(SystemCall::kUringMap, ENOMEM, kEveryTime);
  expect_epoll_because("mmap of the io_uring: Cannot allocate memory");
}

// The ring that is tried out is small, and so are its buffers: the real one may be refused where
// they are not. Whichever call it is at which the memory ends, there is a reactor.
TEST_P(FaultSetup, AFullSizedRingCannotBeHad) {
  if (!has_uring()) return expect_epoll_because("io_uring");
  for (const auto call : {SystemCall::kUringSetup, SystemCall::kUringMap}) {
    std::string last_reason;
    for (uint64_t n = 0, fired = 1; fired != 0; ++n) {
      FaultyKernel kernel(plain_kernel());
      kernel.plan().fail(call, ENOMEM, {.after = n, .times = kAlways});
      const Reactor reactor(kernel);
      EXPECT_FALSE(reactor.error()) << n << ": " << reactor.error()->message();
      fired = kernel.plan().fired().failed_calls;
      if (fired == 0) {
        EXPECT_EQ(reactor.backend().kind, BackendKind::kUring);
      } else {
        last_reason = reactor.backend().reason;  // in the end, of the ring itself
      }
    }
    EXPECT_NE(last_reason.find("no io_uring: "), std::string::npos) << last_reason;
    EXPECT_NE(last_reason.find("ulimit -l"), std::string::npos) << last_reason;
  }
}

TEST_P(FaultSetup, WhoInsistsIsToldOfTheLimitOnLockedMemory) {
  if (!has_uring()) return expect_epoll_because("io_uring");
  plan().fail(SystemCall::kUringSetup, ENOMEM, kEveryTime);
  const Reactor reactor(kernel_, {.backend = BackendKind::kUring});
  ASSERT_TRUE(reactor.error());
  EXPECT_EQ(reactor.error()->code(), std::errc::not_enough_memory);
  EXPECT_NE(reactor.error()->advice().find("ulimit -l"), std::string::npos);
}

class FaultSetupOf : public FaultSetup {
 protected:
  void SetUp() override {}
  void TearDown() override { EXPECT_EQ(machine().open_descriptors(), descriptors_at_start_); }

  // The first call that can tells it, and so does every other.
  void expect_error_told(std::errc code, const char* call) {
    Reactor reactor(kernel_, GetParam().options);
    ASSERT_TRUE(reactor.error());
    EXPECT_EQ(reactor.error()->code(), code);
    EXPECT_STREQ(reactor.error()->call(), call);
    EXPECT_NE(reactor.error()->advice().find("raise its limit"), std::string::npos);
    Server server(reactor, echo_options());
    const auto listening = server.listen("127.0.0.1:0");
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code(), code);
    const auto turned = reactor.run_once(0ns);
    ASSERT_FALSE(turned);
    EXPECT_EQ(turned.error().code(), code);
    EXPECT_EQ(reactor.run(), 1);
    EXPECT_FALSE(reactor.on_signal(SIGUSR1, [](int64_t) {}));
  }
};

TEST_P(FaultSetupOf, NoEventfd) {
  plan().fail(SystemCall::kEventfd, EMFILE);
  expect_error_told(std::errc::too_many_files_open, "eventfd");
}

// Whichever call of the set-up fails, be it one that the reactor can do without: an error or a
// reactor that works, and nothing is left.
TEST_P(FaultSetupOf, EveryCallFailsOnce) {
  for (const int error : {ENOMEM, EMFILE, EPERM, EINTR}) {
    bool failed_in_setup = true;
    for (uint64_t n = 0; failed_in_setup; ++n) {
      FaultyKernel kernel(plain_kernel());
      kernel.plan().fail(SystemCall::kAny, error, {.after = n});
      {
        Reactor reactor(kernel, GetParam().options);
        failed_in_setup = kernel.plan().calls(SystemCall::kAny) > n;
        kernel.plan().clear();
        if (!reactor.error()) {
          bool posted = false;
          reactor.post([&] { posted = true; });
          ASSERT_TRUE(reactor.run_once(5s)) << n;
          EXPECT_TRUE(posted) << n;
        } else {
          EXPECT_FALSE(reactor.run_once(0ns)) << n;
        }
      }
      ASSERT_EQ(machine().open_descriptors(), descriptors_at_start_) << "call " << n;
    }
  }
}
EDDY_ON_EVERY_CONFIGURATION(FaultSetupOf);

TEST_P(FaultSetup, NoEpoll) {
  plan().fail(SystemCall::kEpollCreate, EMFILE);
  const Reactor reactor(kernel_, {.backend = BackendKind::kEpoll});
  ASSERT_TRUE(reactor.error());
  EXPECT_EQ(reactor.error()->code(), std::errc::too_many_files_open);
  EXPECT_STREQ(reactor.error()->call(), "epoll_create1");
  EXPECT_NE(reactor.error()->advice().find("ulimit -n"), std::string::npos);
}

TEST_P(FaultSetup, NoMemoryForBuffers) {
  plan().fail(SystemCall::kMapMemory, ENOMEM);
  const Reactor reactor(kernel_, {.backend = BackendKind::kEpoll});
  ASSERT_TRUE(reactor.error());
  EXPECT_EQ(reactor.error()->code(), std::errc::not_enough_memory);
}

EDDY_ON_EVERY_MACHINE(FaultSetup);
EDDY_ON_EVERY_MACHINE(FaultSetupOperation);

}  // namespace
}  // namespace eddy::test
