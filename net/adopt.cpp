#include <eddy/core/kernel.h>
#include <eddy/core/watch_internal.h>
#include <eddy/net/stream.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>

#include <string>

namespace eddy {

Result<Stream> adopt(Reactor& reactor, int descriptor, StreamOptions options) {
  std::shared_ptr<StreamOptions> shared;
  try {
    shared = std::make_shared<StreamOptions>(std::move(options));
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "adopt", "fd " + std::to_string(descriptor));
  }
  return adopt(reactor, descriptor, std::move(shared));
}

Result<Stream> adopt(Reactor& reactor, int descriptor, std::shared_ptr<StreamOptions> options) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  const std::string subject = "fd " + std::to_string(descriptor);
  const int kind = reactor.kernel().descriptor_kind(descriptor);
  if (kind < 0) return failure(kind, "adopt", subject);
  if (kind == static_cast<int>(DescriptorKind::kRegularFile))
    return no_readiness("adopt", subject, true);
  if (kind == static_cast<int>(DescriptorKind::kSocket)) {
    sockaddr_storage peer = {};
    socklen_t length = sizeof peer;
    const int failed =
        reactor.kernel().getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &length);
    if (failed < 0) return failure(failed, "adopt", subject, "a socket has to be connected");
  }
  StreamSlot* slot = StreamSlot::make(reactor, std::move(options), nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "adopt", subject);
  const Stream stream = slot->handle();
  const int failed = slot->begin_adopted(descriptor, static_cast<DescriptorKind>(kind));
  if (failed == -EPERM) return no_readiness("adopt", subject, false);
  if (failed < 0) return failure(failed, "adopt", subject);
  return stream;
}

}  // namespace eddy
