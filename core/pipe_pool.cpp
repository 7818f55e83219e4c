#include <eddy/core/kernel.h>
#include <eddy/core/pipe_pool.h>
#include <eddy/core/vector_room_internal.h>
#include <fcntl.h>

#include <utility>

namespace eddy {

constexpr size_t kDefaultBytes = 64 * 1024;  // pipe(7)

PipePool::~PipePool() {
  while (!idle_.empty()) {
    Pipe pipe = idle_.back();
    idle_.pop_back();
    discard(pipe);
  }
}

int PipePool::take(Pipe& pipe) {
  if (!idle_.empty()) {
    pipe = idle_.back();
    idle_.pop_back();
    return 0;
  }
  int descriptors[2];
  const int failed = kernel_.pipe(descriptors, O_CLOEXEC | O_NONBLOCK);
  if (failed < 0) return failed;
  const int bytes = kernel_.set_pipe_size(descriptors[1], kBytes);
  pipe = {.reader = descriptors[0],
          .writer = descriptors[1],
          .bytes = bytes < 0 ? kDefaultBytes : static_cast<size_t>(bytes)};
  return 0;
}

void PipePool::give(Pipe& pipe) {
  if (idle_.size() == kMostIdle || !make_room(idle_)) return discard(pipe);
  idle_.push_back(std::exchange(pipe, {}));
}

void PipePool::discard(Pipe& pipe) {
  kernel_.close(pipe.reader);
  kernel_.close(pipe.writer);
  pipe = {};
}

}  // namespace eddy
