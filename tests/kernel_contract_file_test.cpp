// Regular files, and sendfile(2) from them.
#include <errno.h>
#include <fcntl.h>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

class ContractFile : public KernelContract {
 protected:
  int open(const std::string& path, int flags) { return kernel.open(path.c_str(), flags, 0600); }
  // A file of these bytes, open for reading and writing.
  int file(std::string_view bytes) {
    const int fd = keep(open(path(), O_RDWR | O_CREAT));
    EXPECT_EQ(write_at(fd, bytes, 0), static_cast<ssize_t>(bytes.size()));
    return fd;
  }
  ssize_t write_at(int fd, std::string_view bytes, int64_t offset) {
    return kernel.pwrite(fd, bytes.data(), bytes.size(), offset);
  }
  std::string read_at(int fd, size_t most, int64_t offset) {
    std::string room(most, '\0');
    const ssize_t count = kernel.pread(fd, room.data(), most, offset);
    if (count < 0) return strerrorname_np(static_cast<int>(-count));
    room.resize(static_cast<size_t>(count));
    return room;
  }
  ssize_t send_file(int to, int from, int64_t offset, size_t size) {
    offset_ = offset;
    return kernel.sendfile(to, from, offset_, size);
  }
  int64_t offset_ = 0;
};

TEST_P(ContractFile, IsMadeAndFoundByItsPath) {
  const std::string name = path();
  EXPECT_EQ(open(name, O_RDONLY), -ENOENT);
  const int made = keep(open(name, O_WRONLY | O_CREAT | O_EXCL));
  EXPECT_EQ(open(name, O_WRONLY | O_CREAT | O_EXCL), -EEXIST);
  EXPECT_EQ(write_at(made, "bytes", 0), 5);
  const int found = keep(open(name, O_RDONLY));
  EXPECT_EQ(read_at(found, 10, 0), "bytes");
  EXPECT_EQ(kernel.file_size(found), 5);
  keep(open(name, O_WRONLY | O_TRUNC));
  EXPECT_EQ(kernel.file_size(found), 0);
  EXPECT_EQ(open(name, O_RDONLY | O_DIRECTORY), -ENOTDIR);
}

TEST_P(ContractFile, IsReadAndWrittenAtAnOffset) {
  const int fd = file("0123456789");
  EXPECT_EQ(read_at(fd, 3, 4), "456");
  EXPECT_EQ(read_at(fd, 3, 9), "9");
  EXPECT_EQ(read_at(fd, 3, 10), "");
  EXPECT_EQ(read_at(fd, 3, 100), "");
  EXPECT_EQ(write_at(fd, "ab", 9), 2);
  EXPECT_EQ(write_at(fd, "z", 13), 1);
  EXPECT_EQ(read_at(fd, 100, 8), std::string("8ab\0\0z", 6));
  EXPECT_EQ(kernel.pread(fd, &offset_, 1, -1), -EINVAL);
  EXPECT_EQ(kernel.fsync(fd), 0);
}

TEST_P(ContractFile, IsOpenedForReadingOrForWriting) {
  const std::string name = path();
  const int written = keep(open(name, O_WRONLY | O_CREAT));
  const int read = keep(open(name, O_RDONLY));
  EXPECT_EQ(read_at(written, 1, 0), "EBADF");
  EXPECT_EQ(write_at(read, "x", 0), -EBADF);
}

TEST_P(ContractFile, HasAPositionOfItsOwn) {
  const int fd = file("0123456789");
  EXPECT_EQ(read(fd, 4), "0123");
  EXPECT_EQ(read_at(fd, 1, 0), "0");
  EXPECT_EQ(write(fd, "xy"), 2);
  EXPECT_EQ(read(fd), "6789");
  EXPECT_EQ(read(fd), "end");
}

TEST_P(ContractFile, HasNoReadinessToWaitFor) {
  EXPECT_EQ(control(epoll(), EPOLL_CTL_ADD, file(""), EPOLLIN), -EPERM);
  EXPECT_EQ(kernel.descriptor_kind(file("")), static_cast<int>(DescriptorKind::kRegularFile));
}

TEST_P(ContractFile, WhatIsNoFileHasNoOffset) {
  EXPECT_EQ(read_at(pipe().a, 1, 0), "ESPIPE");
  EXPECT_EQ(kernel.fsync(pipe().a), -EINVAL);
  EXPECT_EQ(read_at(-1, 1, 0), "EBADF");
  EXPECT_EQ(kernel.file_size(-1), -EBADF);
}

TEST_P(ContractFile, IsSentToASocket) {
  const int fd = file("0123456789");
  for (const Ends& ends : {connected(), pair(SOCK_STREAM), Ends{pipe().b, -1}}) {
    EXPECT_EQ(send_file(ends.a, fd, 2, 5), 5);
    EXPECT_EQ(offset_, 7);
    if (ends.b < 0) continue;
    await(ends.b, EPOLLIN);
    EXPECT_EQ(receive(ends.b), "23456");
  }
  EXPECT_EQ(read(fd, 1), "0");  // its own position stays
}

TEST_P(ContractFile, IsSentUpToItsEnd) {
  const int fd = file("0123456789");
  const Ends ends = connected();
  EXPECT_EQ(send_file(ends.a, fd, 8, 100), 2);
  EXPECT_EQ(send_file(ends.a, fd, 10, 100), 0);
  EXPECT_EQ(send_file(ends.a, fd, 50, 100), 0);
  EXPECT_EQ(offset_, 50);
}

TEST_P(ContractFile, IsSentAsFarAsThereIsRoom) {
  const int fd = file(std::string(100'000, 'f'));
  const Ends ends = pipe();
  const ssize_t sent = send_file(ends.b, fd, 0, 100'000);
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, 100'000);
  EXPECT_EQ(send_file(ends.b, fd, sent, 100'000), -EAGAIN);
  EXPECT_EQ(drain(ends.a), static_cast<size_t>(sent));
  EXPECT_GT(send_file(ends.b, fd, sent, 100'000), 0);
}

TEST_P(ContractFile, IsNotSentToNobody) {
  const int fd = file("0123456789");
  const Ends ends = pipe();
  close(ends.a);
  EXPECT_EQ(send_file(ends.b, fd, 0, 5), -EPIPE);
  const Ends sockets = pair(SOCK_STREAM);
  close(sockets.b);
  EXPECT_EQ(send_file(sockets.a, fd, 0, 5), -EPIPE);
  EXPECT_EQ(offset_, 0);
}

TEST_P(ContractFile, SendfileRefusesWhatIsNoFile) {
  const Ends ends = connected();
  EXPECT_EQ(send_file(ends.a, ends.b, 0, 5), -ESPIPE);
  EXPECT_EQ(send_file(ends.a, -1, 0, 5), -EBADF);
  EXPECT_EQ(send_file(-1, file("x"), 0, 5), -EBADF);
}

EDDY_ON_EVERY_KERNEL(ContractFile);

}  // namespace
}  // namespace eddy::test
