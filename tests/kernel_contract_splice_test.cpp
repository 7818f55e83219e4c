// splice(2) between a pipe and something else.
#include <errno.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

constexpr size_t kPage = 4096;
constexpr int kPages = 16;

class ContractSplice : public KernelContract {
 protected:
  // Something to read, on a socket that is not empty any more.
  void arrive(const Ends& ends, std::string_view bytes) {
    EXPECT_EQ(send(ends.a, bytes), static_cast<ssize_t>(bytes.size()));
    await(ends.b, EPOLLIN);
  }
  const Ends pipe_ = pipe();
};

TEST_P(ContractSplice, FromASocketToASocket) {
  for (const Ends& from : {connected(), pair(SOCK_STREAM)}) {
    for (const Ends& to : {connected(), pair(SOCK_STREAM)}) {
      arrive(from, "hello");
      EXPECT_EQ(kernel.splice_to_pipe(from.b, pipe_.b, 100), 5);
      EXPECT_EQ(kernel.splice_to_pipe(from.b, pipe_.b, 100), -EAGAIN);
      EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, to.a, 100), 5);
      EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, to.a, 100), -EAGAIN);
      await(to.b, EPOLLIN);
      EXPECT_EQ(receive(to.b), "hello");
    }
  }
}

TEST_P(ContractSplice, AsMuchAsIsAskedFor) {
  const Ends ends = connected();
  arrive(ends, "0123456789");
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 4), 4);
  EXPECT_EQ(receive(ends.b), "456789");
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, ends.b, 3), 3);
  EXPECT_EQ(read(pipe_.a), "3");
}

TEST_P(ContractSplice, TheEndOfInput) {
  for (const Ends& ends : {connected(), pair(SOCK_STREAM), pipe()}) {
    if (kernel.descriptor_kind(ends.a) == static_cast<int>(DescriptorKind::kPipe)) {
      write(ends.b, "last");
      close(ends.b);
      EXPECT_EQ(kernel.splice_to_pipe(ends.a, pipe_.b, 100), 4);
      EXPECT_EQ(kernel.splice_to_pipe(ends.a, pipe_.b, 100), 0);
    } else {
      arrive(ends, "last");
      kernel.shutdown(ends.a, SHUT_WR);
      await(ends.b, EPOLLIN | EPOLLRDHUP);
      EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 4);
      EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 0);
    }
    EXPECT_EQ(read(pipe_.a), "last");
  }
}

TEST_P(ContractSplice, AResetIsToldAfterTheBytes) {
  const Ends ends = connected();
  arrive(ends, "last");
  set_linger(ends.a, 0);
  close(ends.a);
  await(ends.b, EPOLLERR);
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 4);
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), -ECONNRESET);
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 0);
}

TEST_P(ContractSplice, ToWhomNobodyReads) {
  const Ends ends = pair(SOCK_STREAM);
  close(ends.b);
  const Ends target = pipe();
  close(target.a);
  write(pipe_.b, "lost");
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, ends.a, 100), -EPIPE);
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, target.b, 100), -EPIPE);
  EXPECT_EQ(read(pipe_.a), "lost");
}

TEST_P(ContractSplice, AFullPipeTakesNoMore) {
  const Ends ends = connected();
  arrive(ends, "more");
  fill(pipe_.b);
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), -EAGAIN);
  EXPECT_EQ(receive(ends.b), "more");
}

TEST_P(ContractSplice, EachPieceTakesAPage) {
  const Ends ends = connected();
  for (int i = 0; i < kPages; ++i) {
    arrive(ends, "x");
    EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 1);
  }
  arrive(ends, "x");
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), -EAGAIN);
  EXPECT_EQ(write(pipe_.b, "y"), -EAGAIN);
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, ends.b, 1), 1);
  EXPECT_EQ(kernel.splice_to_pipe(ends.b, pipe_.b, 100), 1);
}

TEST_P(ContractSplice, AFullSocketTakesAPart) {
  const Ends ends = pair(SOCK_STREAM);
  fill(ends.a);
  write(pipe_.b, "waits");
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, ends.a, 100), -EAGAIN);
  drain(ends.b);
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.a, ends.a, 100), 5);
}

TEST_P(ContractSplice, APipeMayBeMadeLarger) {
  EXPECT_EQ(kernel.set_pipe_size(pipe_.b, 5 * kPage), int{8 * kPage});
  EXPECT_EQ(fill(pipe_.b), 8 * kPage);
  EXPECT_EQ(kernel.set_pipe_size(pipe_.a, kPage), -EBUSY);
  EXPECT_EQ(kernel.set_pipe_size(pipe_.a, 32 * kPage), int{32 * kPage});
  EXPECT_EQ(fill(pipe_.b), 24 * kPage);
  EXPECT_EQ(kernel.set_pipe_size(-1, kPage), -EBADF);
  EXPECT_EQ(kernel.set_pipe_size(connected().a, kPage), -EBADF);
}

TEST_P(ContractSplice, OneOfThemIsAPipe) {
  const Ends ends = connected();
  EXPECT_EQ(kernel.splice_to_pipe(ends.a, ends.b, 100), -EINVAL);
  EXPECT_EQ(kernel.splice_to_pipe(ends.a, pipe_.a, 100), -EBADF);
  EXPECT_EQ(kernel.splice_from_pipe(pipe_.b, ends.a, 100), -EBADF);
  EXPECT_EQ(kernel.splice_to_pipe(-1, pipe_.b, 100), -EBADF);
}

EDDY_ON_EVERY_KERNEL(ContractSplice);

}  // namespace
}  // namespace eddy::test
