#include <eddy/core/choose_backend.h>
#include <eddy/core/epoll_backend.h>
#include <eddy/core/reactor.h>
#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <limits>
#include <string_view>

#if EDDY_HAS_URING
#include <eddy/core/uring_backend.h>
#endif

namespace eddy {
namespace {

Result<BackendKind> wanted_backend(const ReactorOptions& options) {
  const char* variable = getenv("EDDY_BACKEND");
  if (variable == nullptr || *variable == '\0') return options.backend;
  const std::string_view name = variable;
  if (name == "auto") return BackendKind::kAuto;
  if (name == "epoll") return BackendKind::kEpoll;
  if (name == "uring") return BackendKind::kUring;
  return failure(-EINVAL, "EDDY_BACKEND", variable, "it is epoll, uring or auto");
}

#if EDDY_HAS_URING

Result<BackendChoice> try_uring(Kernel& kernel, const ReactorOptions& options) {
  auto features = probe_uring(kernel);
  if (!features) return std::unexpected(features.error());
  return BackendChoice{
      .kind = BackendKind::kUring,
      .reason = "the kernel's io_uring does all that is needed",
      .incremental_buffers = features->incremental_buffers && !options.avoid_incremental_buffers,
      .receive_limit = features->receive_limit && !options.avoid_receive_limit,
      .min_wait = features->min_wait};
}

#else

Result<BackendChoice> try_uring(Kernel&, const ReactorOptions&) {
  return std::unexpected(
      Error(Errc::kUnsupported, "io_uring", {}, "eddy was built without liburing"));
}

#endif

BackendChoice epoll_because(const Error& why) {
  return {.kind = BackendKind::kEpoll, .reason = "no io_uring: " + why.message()};
}

}  // namespace

const char* to_string(BackendKind kind) {
  switch (kind) {
    case BackendKind::kAuto: return "auto";
    case BackendKind::kEpoll: return "epoll";
    case BackendKind::kUring: return "uring";
  }
  return "unknown";
}

Result<BackendChoice> choose_backend(Kernel& kernel, const ReactorOptions& options) {
  const auto wanted = wanted_backend(options);
  if (!wanted) return std::unexpected(wanted.error());
  if (*wanted == BackendKind::kEpoll) {
    return BackendChoice{.kind = BackendKind::kEpoll, .reason = "asked for"};
  }
  auto choice = try_uring(kernel, options);
  if (choice || *wanted == BackendKind::kUring) return choice;
  return epoll_because(choice.error());
}

std::optional<BackendChoice> second_choice(const BackendChoice& first,
                                           const ReactorOptions& options, const Error& why) {
  const auto wanted = wanted_backend(options);
  if (first.kind != BackendKind::kUring || wanted != BackendKind::kAuto) return std::nullopt;
  return epoll_because(why);
}

BufferRingOptions suitable_buffers(const BackendChoice& choice, const BufferRingOptions& asked) {
  BufferRingOptions wanted = asked.in_range();
  wanted.max_segments = std::max(wanted.max_segments, choice.kind == BackendKind::kUring ? 3U : 2U);
  if (choice.kind != BackendKind::kUring || choice.incremental_buffers) return wanted;
  // Each message takes a whole segment: as much memory in all, in more and smaller ones.
  constexpr size_t kWholeBufferBytes = 32 * 1024;
  BufferRingOptions options = wanted;
  options.segment_bytes = std::min(wanted.segment_bytes, kWholeBufferBytes);
  const auto parts = static_cast<unsigned>(wanted.segment_bytes / options.segment_bytes);
  options.initial_segments = wanted.initial_segments * parts;
  options.max_segments = wanted.max_segments * parts;
  return options;
}

Result<std::unique_ptr<Backend>> make_backend([[maybe_unused]] const BackendChoice& choice,
                                              Turn& turn, const ReactorOptions& options) {
#if EDDY_HAS_URING
  if (choice.kind == BackendKind::kUring) {
    UringBackendOptions uring;
    uring.features = {.incremental_buffers = choice.incremental_buffers,
                      .receive_limit = choice.receive_limit,
                      .min_wait = choice.min_wait};
    uring.min_wait_us = static_cast<uint32_t>(
        std::clamp<int64_t>(options.min_wait.count(), 0, std::numeric_limits<uint32_t>::max()));
    // A receive of more than INT_MAX is refused, and one of 0 would have no bound.
    constexpr uint32_t kMostQuota = uint32_t{1} << 30;
    uring.receive_quota_bytes = std::clamp(options.receive_quota_bytes, 1U, kMostQuota);
    uring.zero_copy_bytes = options.zero_copy_bytes;
    return make_uring_backend(turn, uring);
  }
#endif
  return make_epoll_backend(turn, options.zero_copy_bytes);
}

}  // namespace eddy
