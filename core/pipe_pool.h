// Pipes that bytes pass through on their way from one descriptor to another (splice(2)).
//
// What it is: a reactor's pipes, made as they are needed and used again. Who moves bytes takes one,
// and gives it back as soon as it is empty: so one pipe, whose memory is hot, serves all streams
// whose peers take what comes, and a pipe for itself is only what a stream needs whose peer does
// not. Pipes are of kBytes, or of what the kernel allows: see pipe(7) for fs.pipe-max-size and
// fs.pipe-user-pages-soft.
//
// Ownership: the reactor's. Threads: its own alone.
#pragma once

#include <stddef.h>

#include <vector>

namespace eddy {

class Kernel;

struct Pipe {
  int reader = -1;
  int writer = -1;
  size_t bytes = 0;  // what it holds at the most
  bool is_open() const { return reader >= 0; }
};

class PipePool {
 public:
  // Some four messages of 64 KiB, however they lie in the kernel's memory.
  static constexpr int kBytes = 256 * 1024;

  explicit PipePool(Kernel& kernel) : kernel_(kernel) {}
  ~PipePool();
  PipePool(const PipePool&) = delete;
  PipePool& operator=(const PipePool&) = delete;

  // 0, or a negative errno: no descriptors, say.
  int take(Pipe& pipe);
  // It is empty.
  void give(Pipe& pipe);
  // It is not, and what is in it is lost.
  void discard(Pipe& pipe);

 private:
  static constexpr size_t kMostIdle = 16;
  Kernel& kernel_;
  std::vector<Pipe> idle_;
};

}  // namespace eddy
