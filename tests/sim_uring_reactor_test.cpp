// Reactors with the io_uring backend over simulated kernels of every age and size.
#include <eddy/core/reactor.h>
#include <eddy/net/connector.h>
#include <eddy/net/server.h>
#include <eddy/sim/world.h>
#include <gtest/gtest.h>

#include <string>

namespace eddy::test {
namespace {

using sim::Fault;

struct Age {
  std::string name;
  sim::UringLimits limits;
  std::vector<Fault> faults;
  uint32_t rate = 0;
  uint32_t zero_copy_bytes = 0;
};
void PrintTo(const Age& age, std::ostream* out) { *out << age.name; }  // NOLINT: GoogleTest's name

constexpr size_t kBytes = 300'000;

// A client sends some bytes, and gets them back.
class Echo {
 public:
  Echo(const Age& age, uint64_t seed) : world_(seed), age_(age) {
    world_.faults().clear();
    server_host_.set_uring_limits(age.limits);
    client_host_.set_uring_limits(age.limits);
  }

  uint64_t run() {
    ReactorOptions options;
    options.backend = BackendKind::kUring;
    options.zero_copy_bytes = age_.zero_copy_bytes;
    Reactor server_reactor(server_host_, options);
    Reactor client_reactor(client_host_, options);
    EXPECT_EQ(server_reactor.backend().kind, BackendKind::kUring);
    for (const Fault fault : age_.faults) world_.faults().set(fault, age_.rate);
    echo(server_reactor, client_reactor);
    world_.faults().clear();
    return world_.trace_hash();
  }

 private:
  void echo(Reactor& server_reactor, Reactor& client_reactor) {
    Server server(server_reactor,
                  {.on_data = [](Stream& peer, Slice bytes) { peer.send(std::move(bytes)); }});
    const auto listening = server.listen("10.0.0.1:7000");
    ASSERT_TRUE(listening.has_value()) << listening.error().message();
    std::string received;
    bool closed = false;
    Connector connector(client_reactor,
                        {.on_data = [&](Stream&, Slice bytes) { received += bytes.view(); },
                         .on_close = [&](Stream&, std::error_code) { closed = true; }});
    auto stream = connector.connect("10.0.0.1:7000");
    ASSERT_TRUE(stream.has_value()) << stream.error().message();
    std::string sent(kBytes, '\0');
    for (size_t i = 0; i < kBytes; ++i) sent[i] = static_cast<char>(i * 2654435761U >> 13);
    for (size_t at = 0; at < kBytes; at += 1000) {
      stream->send(std::string_view(sent).substr(at, 1000));
      world_.run_for(std::chrono::microseconds(20));
    }
    EXPECT_TRUE(world_.run_until([&] { return received.size() >= kBytes || closed; }))
        << world_.describe();
    EXPECT_TRUE(received == sent) << received.size() << " bytes came back";
    stream->close();
    EXPECT_TRUE(world_.run_until([&] { return closed; })) << world_.describe();
    EXPECT_EQ(world_.violation(), "");
  }

  sim::World world_;
  const Age age_;
  sim::Host server_host_ = world_.host("10.0.0.1");
  sim::Host client_host_ = world_.host("10.0.0.2");
};

class SimUringReactor : public ::testing::TestWithParam<Age> {
 protected:
  SimUringReactor() { unsetenv("EDDY_BACKEND"); }  // these are about io_uring
};

TEST_P(SimUringReactor, Echoes) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Echo first(GetParam(), seed);
    const uint64_t hash = first.run();
    Echo second(GetParam(), seed);
    EXPECT_EQ(second.run(), hash);
    if (::testing::Test::HasFailure()) return;
  }
}

std::vector<Age> ages() {
  const std::vector<Fault> harmless = {
      Fault::kInterrupted,   Fault::kShortSend,        Fault::kSmallSegments,
      Fault::kDelayed,       Fault::kSubmissionsSplit, Fault::kEnterBusy,
      Fault::kMultishotEnds, Fault::kCompletionLate,   Fault::kCompletionsReordered,
      Fault::kCancelLost,    Fault::kCancelOrder,      Fault::kZeroCopyLate,
      Fault::kZeroCopyCopied};
  const sim::UringLimits old = {.incremental_buffers = false,
                                .receive_limit = false,
                                .min_wait = false,
                                .no_submission_array = false,
                                .registered_rings = false,
                                .direct_descriptors = false};
  std::vector<Age> all = {{"New", {}, {}},
                          {"Old", old, {}},
                          {"ZeroCopy", {}, {}, 0, 100},
                          {"NewWithFaults", {}, harmless, 8000},
                          {"OldWithFaults", old, harmless, 8000},
                          {"ZeroCopyWithFaults", {}, harmless, 8000, 100}};
  for (unsigned entries = 1; entries <= 4; entries *= 2) {
    all.push_back({"Entries" + std::to_string(entries),
                   {.most_entries = entries, .most_completion_entries = entries},
                   harmless,
                   2000});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(OnEveryKernel, SimUringReactor, ::testing::ValuesIn(ages()),
                         [](const auto& age) { return age.param.name; });

}  // namespace
}  // namespace eddy::test
