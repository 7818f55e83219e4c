// io_uring_register(2).
#include <eddy/core/uring_abi.h>
#include <eddy/sim/uring.h>

#include <algorithm>
#include <bit>

namespace eddy::sim {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr uint32_t kMostBuffers = 32768;

}  // namespace

int Uring::register_with(unsigned opcode, void* argument, unsigned count) {
  switch (opcode) {
    case IORING_REGISTER_ENABLE_RINGS:
      if (enabled_) return -EBADFD;
      enabled_ = true;
      return 0;
    case IORING_REGISTER_PBUF_RING: return register_buffers(argument, count);
    case IORING_UNREGISTER_PBUF_RING: return unregister_buffers(argument, count);
    case IORING_REGISTER_FILES2: return register_files(argument, count);
    case IORING_UNREGISTER_FILES:
      if (files_.empty()) return -ENXIO;
      files_.clear();
      return 0;
    case IORING_REGISTER_EVENTFD: return register_eventfd(argument, count);
    case IORING_UNREGISTER_EVENTFD: return std::exchange(eventfd_, nullptr) == nullptr ? -ENXIO : 0;
    case IORING_REGISTER_RING_FDS: return register_ring(argument, count);
    case IORING_UNREGISTER_RING_FDS: return unregister_ring(argument, count);
    default: return -EINVAL;
  }
}

int Uring::register_buffers(const void* argument, unsigned count) {
  if (count != 1) return -EINVAL;
  const auto& asked = *static_cast<const uring::BufferRingRegistration*>(argument);
  const bool incremental = (asked.flags & uring::kBufferRingIncremental) != 0;
  const bool known = (asked.flags & ~uring::kBufferRingIncremental) == 0 &&
                     (!incremental || limits_.incremental_buffers);
  if (!known || asked.ring_address == 0 || asked.ring_address % kPageBytes != 0 ||
      asked.entries > kMostBuffers || !std::has_single_bit(asked.entries)) {
    return -EINVAL;
  }
  if (find_buffers(asked.group) != nullptr) return -EEXIST;
  if (simulation_.strikes(Fault::kNoMemory, host_)) return -ENOMEM;
  buffers_.emplace_back(asked);
  return 0;
}

int Uring::unregister_buffers(const void* argument, unsigned count) {
  if (count != 1) return -EINVAL;
  const auto& asked = *static_cast<const uring::BufferRingRegistration*>(argument);
  const auto is_asked = [&](const ProvidedBuffers& group) { return group.group() == asked.group; };
  return std::erase_if(buffers_, is_asked) == 0 ? -ENOENT : 0;
}

ProvidedBuffers* Uring::find_buffers(uint16_t group) {
  const auto found = std::ranges::find(buffers_, group, &ProvidedBuffers::group);
  return found == buffers_.end() ? nullptr : &*found;
}

// A table of empty places only: files are put there by IORING_OP_FILES_UPDATE.
int Uring::register_files(const void* argument, unsigned size) {
  const auto& asked = *static_cast<const io_uring_rsrc_register*>(argument);
  if (size != sizeof asked || asked.flags != IORING_RSRC_REGISTER_SPARSE || asked.data != 0 ||
      asked.tags != 0 || asked.nr == 0 || !limits_.direct_descriptors) {
    return -EINVAL;
  }
  if (!files_.empty()) return -EBUSY;
  if (asked.nr > static_cast<unsigned>(host_.descriptor_limit)) return -EMFILE;
  if (simulation_.strikes(Fault::kNoMemory, host_)) return -ENOMEM;
  files_.resize(asked.nr);
  return 0;
}

int Uring::register_eventfd(const void* argument, unsigned count) {
  if (count != 1) return -EINVAL;
  if (eventfd_ != nullptr) return -EBUSY;
  eventfd_ = host_.file(*static_cast<const int*>(argument));
  return eventfd_ == nullptr ? -EBADF : 0;
}

// A thread's places, of which a simulated host has one set.
int Uring::register_ring(void* argument, unsigned count) {
  auto& asked = *static_cast<io_uring_rsrc_update*>(argument);
  if (count != 1 || !limits_.registered_rings) return -EINVAL;
  auto& places = host_.registered_rings;
  const bool any = asked.offset == UINT32_MAX;
  const auto place =
      any ? static_cast<uint32_t>(std::ranges::find(places, nullptr) - places.begin())
          : asked.offset;
  if (!can_be_registered_ || place >= places.size() || places[place] != nullptr) return -EBUSY;
  const FileRef ring = host_.file(static_cast<int>(asked.data));
  if (ring.get() != this) return -EBADF;
  places[place] = this;
  asked.offset = place;
  return 1;
}

int Uring::unregister_ring(const void* argument, unsigned count) {
  const auto& asked = *static_cast<const io_uring_rsrc_update*>(argument);
  if (count != 1 || asked.offset >= host_.registered_rings.size()) return -EINVAL;
  host_.registered_rings[asked.offset] = nullptr;
  return 1;
}

}  // namespace eddy::sim
