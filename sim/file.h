// An open file of the simulated kernel: what descriptors, epoll entries and io_uring operations
// refer to.
//
// What it is: Linux's "open file description" (open(2)). Descriptors, direct descriptors and
// operations of io_uring that are under way each hold it by a FileRef; with the last of them it is
// destroyed, which is where a socket sends its FIN. So a pending receive keeps a connection open
// though its descriptor is closed, as on Linux.
//
// A Waiter is an entry of a file's wait queue: an epoll entry, an armed operation of io_uring, a
// call that blocks. It is told when the file may have become ready, and looks for itself whether it
// is. Waiters do not hold the file.
#pragma once

#include <eddy/core/kernel.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>

#include <memory>

namespace eddy::sim {

class File;
class Socket;
using FileRef = std::shared_ptr<File>;

class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  virtual ~Waiter() { leave(); }

  // `events`: what became possible, in poll(2)'s bits. May call `leave`, and nothing else that
  // changes the file or its waiters.
  virtual void on_wake(uint32_t events) = 0;
  // The file is being destroyed; the waiter has left it.
  virtual void on_gone() {}

  bool waits() const { return file_ != nullptr; }
  File* file() const { return file_; }
  void leave();

 private:
  friend class File;
  File* file_ = nullptr;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
};

class File : public std::enable_shared_from_this<File> {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File();

  // What holds now, in poll(2)'s bits (POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLHUP, POLLERR): the
  // file's poll function.
  virtual uint32_t readiness() = 0;
  virtual DescriptorKind kind() const { return DescriptorKind::kOther; }
  // read(2) and writev(2): bytes or a negative errno; never blocks: -EAGAIN.
  virtual ssize_t read(void* /*data*/, size_t /*size*/) { return -EINVAL; }
  virtual ssize_t write(const iovec* /*pieces*/, int /*count*/) { return -EINVAL; }
  // The same object, if it is a socket.
  virtual Socket* socket() { return nullptr; }

  void add(Waiter& waiter);
  // The file may have become ready for `events`. Everybody who waits is told, whatever they wait
  // for.
  void wake(uint32_t events);

  int status_flags = O_RDWR;  // fcntl(2), F_GETFL
  bool blocks() const { return (status_flags & O_NONBLOCK) == 0; }

 private:
  friend class Waiter;
  Waiter* waiters_ = nullptr;
};

// What the system calls of section 2 do with a socket. No function blocks: where Linux would,
// -EAGAIN (and -EINPROGRESS from connect). Errors are negative errno values.
class Socket : public File {
 public:
  DescriptorKind kind() const override { return DescriptorKind::kSocket; }
  Socket* socket() override { return this; }
  ssize_t read(void* data, size_t size) override;
  ssize_t write(const iovec* pieces, int count) override;

  virtual int bind(const sockaddr* address, socklen_t length) = 0;
  virtual int connect(const sockaddr* address, socklen_t length) = 0;
  virtual int listen(int /*backlog*/) { return -EOPNOTSUPP; }
  // The socket of the oldest connection that waits; null with `error` set.
  virtual FileRef accept(int& error) {
    error = -EOPNOTSUPP;
    return nullptr;
  }
  virtual int shutdown(int how) = 0;
  virtual int local_name(sockaddr* address, socklen_t* length) = 0;
  virtual int peer_name(sockaddr* address, socklen_t* length) = 0;
  virtual int get_option(int level, int name, void* value, socklen_t* length) = 0;
  virtual int set_option(int level, int name, const void* value, socklen_t length) = 0;
  // recvmsg(2) and sendmsg(2). The flags MSG_DONTWAIT and MSG_NOSIGNAL say nothing new here.
  virtual ssize_t receive(msghdr& message, int flags) = 0;
  virtual ssize_t send(const msghdr& message, int flags) = 0;
  // What stopped a recvmmsg(2) that had received something is told by the next call.
  virtual void keep_error(int /*error*/) {}
};

// The total of the pieces' lengths.
size_t size_of(const iovec* pieces, size_t count);
// Copies into the pieces, or out of them, from `offset` on: what fits.
size_t scatter(const iovec* pieces, size_t count, const char* data, size_t size);
size_t gather(const iovec* pieces, size_t count, char* data, size_t size);

}  // namespace eddy::sim
