#include <eddy/sim/epoll.h>
#include <eddy/sim/host_kernel.h>
#include <sys/epoll.h>

#include <algorithm>

namespace eddy::sim {
namespace {

constexpr uint32_t kAlwaysReported = EPOLLERR | EPOLLHUP;
constexpr uint32_t kModes = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE;

}  // namespace

Epoll::~Epoll() {
  for (auto& [key, entry] : entries_) entry->leave();
}

void Epoll::Entry::on_wake(uint32_t events) {
  if (wanted == 0) return;  // disabled, EPOLLONESHOT
  if (events != 0 && (events & wanted) == 0) return;
  epoll.queue(*this);
}

void Epoll::Entry::on_gone() { epoll.remove(*this); }

void Epoll::queue(Entry& entry) {
  if (entry.queued) return;
  entry.queued = true;
  ready_.push_back(&entry);
  wake(POLLIN | POLLRDNORM);
}

void Epoll::remove(Entry& entry) {
  if (entry.queued) std::erase(ready_, &entry);
  entries_.erase({entry.fd, &entry.target});
}

uint32_t Epoll::readiness() {
  const bool any =
      std::ranges::any_of(ready_, [](Entry* entry) { return entry->ready_events() != 0; });
  return any ? POLLIN | POLLRDNORM : 0;
}

int Epoll::control(int operation, int fd, const FileRef& target, const epoll_event* event) {
  if (target.get() == this) return -EINVAL;
  if (target->kind() == DescriptorKind::kRegularFile) return -EPERM;
  const auto found = entries_.find({fd, target.get()});
  const bool known = found != entries_.end();
  switch (operation) {
    case EPOLL_CTL_ADD: {
      if (known) return -EEXIST;
      auto entry = std::make_unique<Entry>(*this, fd, *target);
      target->add(*entry);
      set(*entry, *event);
      entries_.emplace(Key{fd, target.get()}, std::move(entry));
      return 0;
    }
    case EPOLL_CTL_MOD:
      if (!known) return -ENOENT;
      set(*found->second, *event);
      return 0;
    case EPOLL_CTL_DEL:
      if (!known) return -ENOENT;
      remove(*found->second);
      return 0;
    default: return -EINVAL;
  }
}

void Epoll::set(Entry& entry, const epoll_event& event) {
  entry.mode = event.events & kModes;
  entry.wanted = (event.events & ~kModes) | kAlwaysReported;
  entry.data = event.data.u64;
  if (entry.ready_events() != 0) queue(entry);
}

int Epoll::take(epoll_event* events, int capacity) {
  std::vector<Entry*> due;
  due.swap(ready_);
  Simulation& simulation = host_.simulation();
  if (due.size() > 1 && simulation.strikes(Fault::kEventsSplit, host_)) {
    capacity = std::min(capacity, 1 + static_cast<int>(simulation.tape.draw(due.size() - 1)));
  }
  int count = 0;
  std::vector<Entry*> again;  // level-triggered: looked at anew by the next wait
  for (Entry* entry : due) {
    if (count == capacity) {
      ready_.push_back(entry);
      continue;
    }
    entry->queued = false;
    uint32_t ready = entry->ready_events();
    if (ready == 0 && simulation.strikes(Fault::kSpuriousReadiness, host_)) {
      ready = entry->wanted & (EPOLLIN | EPOLLOUT);
    }
    if (ready == 0) continue;
    if (report(*entry, ready, events[count])) again.push_back(entry);
    ++count;
  }
  for (Entry* entry : again) queue(*entry);
  return count;
}

// Whether it is to be looked at again.
bool Epoll::report(Entry& entry, uint32_t ready, epoll_event& event) {
  event.events = ready;
  event.data.u64 = entry.data;
  if ((entry.mode & EPOLLONESHOT) != 0) {
    entry.wanted = 0;
    return false;
  }
  return (entry.mode & EPOLLET) == 0;
}

}  // namespace eddy::sim
