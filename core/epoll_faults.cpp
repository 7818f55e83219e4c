#include <eddy/core/epoll_faults.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <span>

namespace eddy {

bool EpollFaults::adds(int operation) { return operation == EPOLL_CTL_ADD; }

int EpollFaults::control(int epoll_fd, int operation, int fd, epoll_event* event) {
  const int result = inner_.epoll_ctl(epoll_fd, operation, fd, event);
  if (result < 0) return result;
  if (operation == EPOLL_CTL_DEL) {
    registered_.erase(fd);
  } else {
    Registration& entry = registered_[fd];
    if (operation == EPOLL_CTL_ADD) {
      entry = {};
      entry.can_be_read = (inner_.get_status_flags(fd) & O_ACCMODE) != O_WRONLY;
    }
    entry.epoll_fd = epoll_fd;
    entry.events = event->events | EPOLLERR;  // epoll_ctl(2): it is always reported
    entry.data = event->data.u64;
  }
  return result;
}

void EpollFaults::tell_readable(int fd) {
  const auto at = registered_.find(fd);
  if (at != registered_.end()) at->second.to_tell |= EPOLLIN;
}

void EpollFaults::tell_writable(int fd) {
  const auto at = registered_.find(fd);
  if (at != registered_.end()) at->second.to_tell |= EPOLLOUT;
}

void EpollFaults::tell_error(int fd) {
  const auto at = registered_.find(fd);
  if (at != registered_.end()) at->second.to_tell |= EPOLLERR;
}

// Whether there is something to tell, denied before or made up now.
bool EpollFaults::choose_spurious(int epoll_fd) {
  const bool all = plan_.all_spuriously_ready();
  bool any = false;
  for (auto& [fd, entry] : registered_) {
    if (entry.epoll_fd != epoll_fd) continue;
    if (all || plan_.is_spuriously_ready()) {
      entry.to_tell |= (entry.can_be_read ? uint32_t{EPOLLIN} : 0) |
                       (entry.was_writable ? uint32_t{EPOLLOUT} : 0);
      if ((entry.to_tell & entry.events) != 0) ++plan_.counts().spurious_events;
    }
    any = any || (entry.to_tell & entry.events) != 0;
  }
  return any;
}

int EpollFaults::wait(int epoll_fd, epoll_event* events, int capacity, int64_t timeout_ns) {
  const bool has_some = choose_spurious(epoll_fd);
  const int count = inner_.epoll_wait(epoll_fd, events, capacity, has_some ? 0 : timeout_ns);
  if (count < 0) return count;
  for (auto& [fd, entry] : registered_) {
    for (const epoll_event& event : std::span(events, static_cast<size_t>(count))) {
      if (event.data.u64 != entry.data) continue;
      if ((event.events & EPOLLOUT) != 0) entry.was_writable = true;
      entry.lasting |= event.events & (EPOLLRDHUP | EPOLLHUP);
    }
  }
  return add_told(epoll_fd, events, count, capacity);
}

int EpollFaults::add_told(int epoll_fd, epoll_event* events, int count, int capacity) {
  for (auto& [fd, entry] : registered_) {
    const uint32_t told = entry.to_tell & entry.events;
    if (entry.epoll_fd != epoll_fd || told == 0) continue;
    epoll_event* const end = events + count;
    epoll_event* const event = std::find_if(
        events, end, [&](const epoll_event& other) { return other.data.u64 == entry.data; });
    if (event == end) {
      if (count == capacity) continue;  // next time
      ++count;
      event->events = 0;
      event->data.u64 = entry.data;
    }
    event->events |= told | entry.lasting;
    entry.to_tell = 0;
  }
  return count;
}

}  // namespace eddy
