// Reactors in several threads: they begin and end together, and a failure of one ends them all.
// Under the simulation the same reactors are driven by one thread. pool_server_test.cpp has servers
// on them, move_stream_test.cpp what moves between them.
#include <eddy/net/pool_server.h>
#include <eddy/net/reactor_pool.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "support/fault_test.h"
#include "support/reactor_pool_test.h"

namespace eddy::test {
namespace {

TEST_P(ReactorPoolTest, EachReactorIsSetUpInItsThreadAndWhatThatMadeLivesAsLong) {
  struct Session {
    Session(Reactor& its_reactor, std::atomic<unsigned>& count)
        : reactor(its_reactor), alive(count) {
      alive.fetch_add(1);
      reactor.ref();
    }
    ~Session() {
      EXPECT_TRUE(reactor.on_own_thread());
      alive.fetch_sub(1);
    }
    Reactor& reactor;
    std::atomic<unsigned>& alive;
  };
  std::atomic<unsigned> alive = 0;
  std::atomic<unsigned> indices = 0;
  pool().set_up([&](Reactor& its, unsigned index) {
    EXPECT_TRUE(its.on_own_thread());
    indices.fetch_add(1U << index);
    return std::make_unique<Session>(its, alive);
  });
  ASSERT_TRUE(pool().start());
  EXPECT_EQ(alive.load(), kReactors);
  EXPECT_EQ(indices.load(), (1U << kReactors) - 1);
  pool().stop();
  EXPECT_TRUE(pool().join());
  EXPECT_EQ(alive.load(), 0U);
}

TEST_P(ReactorPoolTest, ItEndsWhenNothingIsLeftInAnyReactor) {
  std::atomic<unsigned> fired = 0;
  pool().set_up([&](Reactor& its, unsigned index) {
    its.start_timer(std::chrono::milliseconds(index), [&] { fired.fetch_add(1); });
  });
  EXPECT_EQ(pool().run(), 0);
  EXPECT_EQ(fired.load(), kReactors);
}

TEST_P(ReactorPoolTest, PostsRunInTheReactorTheyAreMeantFor) {
  std::atomic<unsigned> right = 0;
  std::vector<Reactor*> reactors(kReactors);
  pool().set_up([&](Reactor& its, unsigned index) {
    reactors[index] = &its;
    its.ref();
  });
  ASSERT_TRUE(pool().start());
  for (unsigned i = 0; i < kReactors; ++i) {
    EXPECT_TRUE(pool().post(i, [&, i](Reactor& its) {
      if (&its == reactors[i] && its.on_own_thread()) right.fetch_add(1);
    }));
  }
  EXPECT_TRUE(await(right, kReactors));
  EXPECT_EQ(pool().post_all([&](unsigned index) { right.fetch_add(index); }), kReactors);
  EXPECT_TRUE(await(right, kReactors + 0 + 1 + 2));
  pool().stop();
  EXPECT_TRUE(pool().join());
  EXPECT_FALSE(pool().post(0, [] { ADD_FAILURE() << "the reactor has ended"; }));
}

TEST_P(ReactorPoolTest, AReactorMayStopTheWhole) {
  pool().set_up([&](Reactor& its, unsigned index) {
    its.ref();
    if (index == 1) its.start_timer(1ms, [&] { pool().stop(); });
  });
  EXPECT_EQ(pool().run(), 0);
}

TEST_P(ReactorPoolTest, ASetUpThatFailsEndsTheWholeWithItsError) {
  pool().set_up([&](Reactor& its, unsigned index) -> Result<std::unique_ptr<int>> {
    its.ref();
    if (index == 1) return failure(-EACCES, "bind", "127.0.0.1:80");
    return std::make_unique<int>(7);
  });
  const auto started = pool().start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), std::errc::permission_denied);
  EXPECT_EQ(started.error().message(), "bind 127.0.0.1:80 in reactor 1: Permission denied");
}

TEST_P(ReactorPoolTest, TheFirstFailureIsTheOneThatIsTold) {
  pool().set_up([&](Reactor& its, unsigned index) {
    its.ref();
    if (index == 0) return;
    its.start_timer(std::chrono::milliseconds(index * 20),
                    [&, index] { pool().fail(index, Error(Errc::kTimedOut, "ping")); });
  });
  // It may happen before the last one has been set up.
  const auto started = pool().start();
  const auto ended = started ? pool().join() : started;
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().subject(), "in reactor 1");
}

TEST_P(ReactorPoolTest, DestroyingItEndsIt) {
  pool().set_up([](Reactor& its, unsigned) { its.ref(); });
  ASSERT_TRUE(pool().start());
}

TEST_P(ReactorPoolTest, WithoutANumberThereIsOneForEachCpu) {
  unsigned long mask[16] = {};
  kernel().get_affinity(mask, sizeof mask);
  size_t cpus = 0;
  for (const unsigned long word : mask) cpus += static_cast<size_t>(__builtin_popcountl(word));
  EXPECT_EQ(ReactorPool(kernel()).size(), cpus);
}

// --- What a simulation has not: threads, processors, signals in them

class ReactorPoolOnLinux : public ReactorPoolTest {};

TEST_P(ReactorPoolOnLinux, EachReactorHasAThreadOfItsOwn) {
  std::atomic<unsigned> strangers = 0;
  const auto here = std::this_thread::get_id();
  pool().set_up([&](Reactor&, unsigned) {
    if (std::this_thread::get_id() != here) strangers.fetch_add(1);
  });
  EXPECT_EQ(pool().run(), 0);
  EXPECT_EQ(strangers.load(), kReactors);
}

TEST_P(ReactorPoolOnLinux, PinnedThreadsStayOnOneCpuEach) {
  ReactorPool pinned({.pinned = true, .reactor = reactor_options});
  std::vector<int> cpus(pinned.size());
  pinned.set_up([&](Reactor&, unsigned index) {
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    EXPECT_EQ(CPU_COUNT(&mask), 1);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &mask)) cpus[index] = cpu + 1;
    }
  });
  EXPECT_EQ(pinned.run(), 0);
  std::ranges::sort(cpus);
  EXPECT_EQ(std::ranges::unique(cpus).begin(), cpus.end());
  EXPECT_NE(cpus.front(), 0);
}

ReactorPool* stopped_by_signal = nullptr;

TEST_P(ReactorPoolOnLinux, ASignalHandlerMayStopIt) {
  for (int round = 0; round < 20; ++round) {
    ReactorPool signalled({.reactors = 2, .reactor = reactor_options});
    signalled.set_up([](Reactor& its, unsigned) { its.ref(); });
    stopped_by_signal = &signalled;
    struct sigaction action = {};
    struct sigaction before = {};
    action.sa_handler = [](int) { stopped_by_signal->stop(); };
    sigaction(SIGUSR2, &action, &before);
    ASSERT_TRUE(signalled.start());
    raise(SIGUSR2);
    EXPECT_TRUE(signalled.join());
    sigaction(SIGUSR2, &before, nullptr);
  }
}

TEST_P(ReactorPoolOnLinux, PostsAndStopsOfManyThreadsWhileReactorsEnd) {
  for (int round = 0; round < 20; ++round) {
    ReactorPool ending({.reactors = 2, .reactor = reactor_options});
    ending.set_up([](Reactor& its, unsigned) { its.ref(); });
    ASSERT_TRUE(ending.start());
    std::atomic<uint64_t> ran = 0;
    std::vector<std::thread> others;
    for (unsigned i = 0; i < 3; ++i) {
      others.emplace_back([&, i] {
        while (ending.post(i % 2, [&] { ran.fetch_add(1); })) std::this_thread::yield();
      });
    }
    others.emplace_back([&] { ending.stop(); });
    EXPECT_TRUE(ending.join());
    for (std::thread& other : others) other.join();
  }
}

// A thread that is not to be had, and a loop that fails; one reactor, since a FaultyKernel bears
// one thread at a time.
class ReactorPoolFaults : public FaultTest {};

TEST_P(ReactorPoolFaults, AThreadThatCannotBeMadeIsTold) {
  ReactorPool pool(faulty(), {.reactors = 1, .reactor = reactor_options});
  faulty().plan().fail(SystemCall::kCreateThread, EAGAIN);
  const auto started = pool.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), std::errc::resource_unavailable_try_again);
  EXPECT_EQ(std::string(started.error().call()), "pthread_create");
  EXPECT_NE(started.error().advice().find("ulimit -u"), std::string::npos);
}

TEST_P(ReactorPoolFaults, ACpuThatIsRefusedIsTold) {
  ReactorPool pool(faulty(), {.reactors = 1, .pinned = true, .reactor = reactor_options});
  faulty().plan().fail(SystemCall::kSetAffinity, EINVAL);
  const auto started = pool.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(std::string(started.error().call()), "sched_setaffinity");
  EXPECT_NE(started.error().subject().find("in reactor 0"), std::string::npos);
}

TEST_P(ReactorPoolFaults, APoolThatHasNoReactorsServesNobody) {
  faulty().plan().fail(SystemCall::kGetAffinity, EPERM);
  ReactorPool pool(faulty(), {.reactor = reactor_options});
  ASSERT_EQ(pool.size(), 0U);
  for (const Accepting accepting : {Accepting::kByEach, Accepting::kInTurn}) {
    PoolServer none(pool, [](Reactor&, unsigned) { return StreamOptions(); },
                    {.accepting = accepting});
    const auto listening = none.listen("127.0.0.1:0");
    ASSERT_FALSE(listening);
    EXPECT_EQ(listening.error().code(), Errc::kClosed);
    EXPECT_FALSE(none.listen_on({0}));
    EXPECT_EQ(none.local_address().error().code(), Errc::kClosed);
    EXPECT_EQ(none.connections(), 0U);
  }
  const auto started = pool.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(std::string(started.error().call()), "sched_getaffinity");
}

TEST_P(ReactorPoolFaults, AReactorThatCannotBeMadeIsTold) {
  ReactorPool pool(faulty(), {.reactors = 1, .reactor = reactor_options});
  faulty().plan().fail(SystemCall::kEventfd, EMFILE, kEveryTime);
  const auto started = pool.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), std::errc::too_many_files_open);
}

EDDY_ON_EVERY_CONFIGURATION(ReactorPoolTest);
EDDY_ON_EVERY_CONFIGURATION(ReactorPoolFaults);
EDDY_ON_EVERY_REAL_CONFIGURATION(ReactorPoolOnLinux);

}  // namespace
}  // namespace eddy::test
