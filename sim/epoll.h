// An epoll instance of the simulated kernel.
//
// What it is: epoll(7) as Linux does it, with what programs stumble over: an entry belongs to the
// open file, not to the descriptor, so one that was duplicated reports after its number is closed;
// edge-triggered entries report once for each wake-up, and look again whether anything is there.
#pragma once

#include <eddy/sim/file.h>
#include <eddy/sim/simulation.h>

#include <map>
#include <memory>
#include <vector>

struct epoll_event;

namespace eddy::sim {

class Epoll final : public File {
 public:
  explicit Epoll(HostKernel& host) : host_(host) {}
  ~Epoll() override;

  uint32_t readiness() override;
  int control(int operation, int fd, const FileRef& target, const epoll_event* event);
  // What is ready now, at most `capacity`.
  int take(epoll_event* events, int capacity);

 private:
  struct Entry final : Waiter {
    Entry(Epoll& owner, int descriptor, File& file) : epoll(owner), fd(descriptor), target(file) {}
    void on_wake(uint32_t events) override;
    void on_gone() override;
    uint32_t ready_events() { return target.readiness() & wanted; }
    Epoll& epoll;
    const int fd;
    File& target;
    uint32_t wanted = 0;  // poll bits, hang-up and error among them
    uint32_t mode = 0;    // EPOLLET, EPOLLONESHOT
    uint64_t data = 0;
    bool queued = false;
  };
  using Key = std::pair<int, const File*>;

  void set(Entry& entry, const epoll_event& event);
  void queue(Entry& entry);
  void remove(Entry& entry);
  bool report(Entry& entry, uint32_t ready, epoll_event& event);

  HostKernel& host_;
  std::map<Key, std::unique_ptr<Entry>> entries_;  // looked up, never gone through
  std::vector<Entry*> ready_;
};

}  // namespace eddy::sim
