// Sends whose bytes the kernel reads in place (MSG_ZEROCOPY), and the notifications by which it
// tells that it has let go of them.
//
// What it is: for each stream that has sent so, a record of its sends, in their order: the kernel
// numbers those of a socket from 0, and its notifications, on the error queue, name ranges of
// numbers, merged or out of order. A stream whose bytes were copied after all sends as usual from
// then on, and its record goes.
//
// A stream may close before the kernel has let go; a dead peer never acknowledges. Then the kernel
// would go on reading, and tell nobody, since notifications end with the descriptor. So the record
// keeps it, and is a watch of its own; for the peer the connection is closed: shut down in both
// directions, or reset if that is how it was to end. It is closed when the last notification has
// come. Where nothing is acknowledged any more, the kernel gives up (TCP_USER_TIMEOUT), lets go,
// and tells so. A descriptor that is released (`Slot::release_descriptor`) is its taker's, and a
// duplicate is kept: until all is acknowledged, the taker's close(2) does not end the connection.
//
// Ownership: the epoll backend's. What the kernel has not let go of a second after the reactor has
// closed everything is left to it: those slices are never released, so that nobody else gets their
// memory. A steady load allocates nothing. Threads: the reactor's alone.
// Source: Documentation/networking/msg_zerocopy.rst in Linux.
#pragma once

#include <eddy/core/slice_queue.h>
#include <eddy/core/slot.h>
#include <eddy/core/turn.h>

#include <memory>
#include <vector>

namespace eddy {

class EpollZeroCopy {
 public:
  EpollZeroCopy(Turn& turn, int epoll_fd)
      : turn_(turn), kernel_(turn.kernel), epoll_fd_(epoll_fd), process_(kernel_.process_id()) {}
  ~EpollZeroCopy();
  EpollZeroCopy(const EpollZeroCopy&) = delete;
  EpollZeroCopy& operator=(const EpollZeroCopy&) = delete;

  // As `write_from` (core/readiness_io.h), in place where that is possible and not vain.
  ssize_t write(Slot& slot, SliceQueue& queue, bool& full);
  // Takes the notifications of a stream that has a record; whether there were any.
  bool read_notifications(Slot& slot);
  // A stream that has a record closes: true if its descriptor was taken over, and its entry in the
  // epoll.
  bool outlive(Slot& slot);

  // The number lies in the range; numbers go on at 0 after 2^32 - 1.
  static constexpr bool is_within(uint32_t number, uint32_t first, uint32_t last) {
    return number - first <= last - first;
  }

 private:
  struct Hold {
    SliceQueue bytes;
    uint32_t number = 0;
    Hold* next = nullptr;
  };
  struct Socket final : Slot {  // a slot, so that it can be a watch once its stream has closed
    explicit Socket(EpollZeroCopy& owner_of_socket) : owner(owner_of_socket) {}
    ~Socket() override = default;
    void on_ready(Interest /*ready*/) override { owner.attend(*this); }
    EpollZeroCopy& owner;
    Hold* first = nullptr;
    uint32_t next_number = 0;
    int index = 0;
    Socket* next_free = nullptr;
  };

  Socket* socket_of(Slot& slot);
  Hold* hold(SliceQueue& queue);
  void give_back(Hold& hold);
  bool read(Socket& socket, int fd, bool& copied);
  bool end(int fd);
  bool watch(Socket& socket, int fd, int operation);
  void attend(Socket& socket);
  void forget(Socket& socket);

  Turn& turn_;
  Kernel& kernel_;
  const int epoll_fd_;
  const int process_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::vector<std::unique_ptr<Hold>> holds_;
  Socket* free_sockets_ = nullptr;
  Hold* free_holds_ = nullptr;
  size_t watched_ = 0;  // sockets whose streams have closed
};

static_assert(EpollZeroCopy::is_within(0, UINT32_MAX, 1) &&
              !EpollZeroCopy::is_within(2, UINT32_MAX, 1));

}  // namespace eddy
