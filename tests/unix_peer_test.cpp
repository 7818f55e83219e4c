// Who is at the other end of a Unix socket.
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "support/unix_descriptors.h"

namespace eddy::test {
namespace {

TEST_P(UnixDescriptors, ThePeersProcessIsKnown) {
  serve(journal.options());
  const auto known = stream.peer_credentials();
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_EQ(known->process, plain_kernel().process_id());
  EXPECT_EQ(known->user, machine().is_simulated() ? 0 : geteuid());
  EXPECT_EQ(known->group, machine().is_simulated() ? 0 : getegid());
  stream.reset();
  const auto closed = stream.peer_credentials();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code(), Errc::kClosed);
  server.reset();
  serve_one(journal.options());  // over TCP
  const auto unknown = stream.peer_credentials();
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Errc::kUnsupported);
}

TEST_P(UnixDescriptors, ADescriptorMeansThatProcessAndNoOther) {
  serve(journal.options());
  const auto process = stream.peer_process();
  if (!process) {  // the simulated kernel, and Linux before 6.5
    EXPECT_EQ(process.error().code(), Errc::kUnsupported) << process.error().message();
    return;
  }
  const Descriptor descriptor(*process);
  std::ifstream info("/proc/self/fdinfo/" + std::to_string(descriptor.get()));
  const std::string text(std::istreambuf_iterator<char>(info), {});
  EXPECT_NE(text.find("Pid:\t" + std::to_string(getpid()) + "\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace eddy::test
