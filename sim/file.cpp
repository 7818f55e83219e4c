#include <eddy/sim/file.h>
#include <string.h>

#include <algorithm>
#include <utility>

namespace eddy::sim {

void Waiter::leave() {
  if (file_ == nullptr) return;
  (previous_ == nullptr ? file_->waiters_ : previous_->next_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  file_ = nullptr;
  next_ = previous_ = nullptr;
}

File::~File() {
  while (Waiter* waiter = waiters_) {
    waiter->leave();
    waiter->on_gone();
  }
}

void File::add(Waiter& waiter) {
  waiter.leave();
  waiter.file_ = this;
  waiter.next_ = waiters_;
  if (waiters_ != nullptr) waiters_->previous_ = &waiter;
  waiters_ = &waiter;
}

void File::wake(uint32_t events) {
  for (Waiter* waiter = waiters_; waiter != nullptr;) {
    Waiter* next = waiter->next_;
    waiter->on_wake(events);
    waiter = next;
  }
}

ssize_t Socket::read(void* data, size_t size) {
  iovec piece = {data, size};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return receive(message, 0);
}

ssize_t Socket::write(const iovec* pieces, int count) {
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(pieces);  // NOLINT: msghdr serves both directions
  message.msg_iovlen = static_cast<size_t>(count);
  return send(message, 0);
}

size_t size_of(const iovec* pieces, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += pieces[i].iov_len;
  return size;
}

size_t scatter(const iovec* pieces, size_t count, const char* data, size_t size) {
  size_t done = 0;
  for (size_t i = 0; i < count && done < size; ++i) {
    const size_t part = std::min(pieces[i].iov_len, size - done);
    if (part != 0) memcpy(pieces[i].iov_base, data + done, part);
    done += part;
  }
  return done;
}

size_t gather(const iovec* pieces, size_t count, char* data, size_t size) {
  size_t done = 0;
  for (size_t i = 0; i < count && done < size; ++i) {
    const size_t part = std::min(pieces[i].iov_len, size - done);
    if (part != 0) memcpy(data + done, pieces[i].iov_base, part);
    done += part;
  }
  return done;
}

}  // namespace eddy::sim
