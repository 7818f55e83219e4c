// Descriptors that came over a Unix socket (SCM_RIGHTS, unix(7)).
//
// What it is: what StreamOptions::on_descriptors is given. They are close-on-exec, and new numbers
// for what the sender had open. What is not taken is closed when the callback returns, so none is
// left behind by who looks away. Threads: the reactor's alone, within the callback.
#pragma once

#include <stddef.h>

#include <span>

namespace eddy {

class Kernel;

class ReceivedDescriptors {
 public:
  ReceivedDescriptors(Kernel& kernel, std::span<int> descriptors, bool truncated)
      : kernel_(kernel), descriptors_(descriptors), truncated_(truncated) {}
  ~ReceivedDescriptors();
  ReceivedDescriptors(const ReceivedDescriptors&) = delete;
  ReceivedDescriptors& operator=(const ReceivedDescriptors&) = delete;

  size_t size() const { return descriptors_.size(); }
  // To look at; -1 once it was taken.
  int operator[](size_t index) const { return descriptors_[index]; }
  // The caller's from now on, to be closed; -1 if it was taken before.
  int take(size_t index);
  // More were sent: than StreamOptions::max_descriptors, or than this process may open. The kernel
  // has closed those.
  bool truncated() const { return truncated_; }

 private:
  Kernel& kernel_;
  const std::span<int> descriptors_;
  const bool truncated_;
};

}  // namespace eddy
