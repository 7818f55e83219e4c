#include <eddy/core/kernel.h>
#include <eddy/core/watch_internal.h>
#include <eddy/net/stream.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>
#include <netinet/in.h>

#include <string>

namespace eddy {

namespace {

// An option of a socket that is a number, or a negative errno.
int number_of(Kernel& kernel, int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  const int failed = kernel.getsockopt(fd, SOL_SOCKET, name, &value, &length);
  return failed < 0 ? failed : value;
}

// Connected, and of bytes in order.
Result<void> check_socket(Kernel& kernel, int fd, const std::string& subject) {
  const int type = number_of(kernel, fd, SO_TYPE);
  if (type < 0) return failure(type, "adopt", subject);
  if (type != SOCK_STREAM) {
    return std::unexpected<Error>(
        std::in_place, Errc::kUnsupported, "adopt", subject,
        "a stream is bytes in order, and this is a socket of messages: watch it instead");
  }
  sockaddr_storage peer = {};
  socklen_t length = sizeof peer;
  const int failed = kernel.getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length);
  if (failed < 0) return failure(failed, "adopt", subject, "a socket has to be connected");
  return {};
}

}  // namespace

Result<Stream> adopt(Reactor& reactor, int descriptor, StreamOptions options) {
  std::shared_ptr<StreamOptions> shared;
  try {
    shared = std::make_shared<StreamOptions>(std::move(options));
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "adopt", "fd " + std::to_string(descriptor));
  }
  return adopt(reactor, descriptor, SharedStreamOptions(std::move(shared)));
}

Result<Stream> adopt(Reactor& reactor, int descriptor, SharedStreamOptions shared, Slice unread) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  const std::string subject = "fd " + std::to_string(descriptor);
  const int kind = reactor.kernel().descriptor_kind(descriptor);
  if (kind < 0) return failure(kind, "adopt", subject);
  if (kind == static_cast<int>(DescriptorKind::kRegularFile))
    return no_readiness("adopt", subject, true);
  bool is_tcp = false;
  if (kind == static_cast<int>(DescriptorKind::kSocket)) {
    if (auto good = check_socket(reactor.kernel(), descriptor, subject); !good) {
      return std::unexpected(good.error());
    }
    is_tcp = number_of(reactor.kernel(), descriptor, SO_PROTOCOL) == IPPROTO_TCP;
  }
  StreamSlot* slot = StreamSlot::make(reactor, std::move(shared.options), nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "adopt", subject);
  const Stream stream = slot->handle();
  const int failed = slot->begin_adopted(descriptor, static_cast<DescriptorKind>(kind), is_tcp);
  if (failed == -EPERM) return no_readiness("adopt", subject, false);
  if (failed < 0) return failure(failed, "adopt", subject);
  slot->begin_with(std::move(unread));
  return stream;
}

}  // namespace eddy
