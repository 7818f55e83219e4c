#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/connect_attempts_internal.h>
#include <eddy/net/connector.h>
#include <eddy/net/stream_internal.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace eddy {
namespace {

using std::chrono::nanoseconds;

void set_flag(Kernel& kernel, int fd, int level, int name) {
  const int on = 1;
  kernel.setsockopt(fd, level, name, &on, sizeof on);
}

Result<void> bind_to(Kernel& kernel, int fd, const Address& source) {
  // The port is chosen at connect, when the peer is known: the same one may then serve for several
  // peers (ip(7)).
  if (source.family() != AF_UNIX && source.port() == 0) {
    set_flag(kernel, fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  }
  const int failed = kernel.bind(fd, source.data(), source.size());
  if (failed == 0) return {};
  return failure(failed, "bind", source.to_string());
}

Result<void> prepare(Kernel& kernel, int fd, bool is_unix, ConnectPlan& plan) {
  const ConnectOptions& options = plan.options;
  if (plan.no_delay && !is_unix) set_flag(kernel, fd, IPPROTO_TCP, TCP_NODELAY);
  if (!is_unix) set_flag(kernel, fd, SOL_SOCKET, SO_OOBINLINE);
  for (const SocketSetting& setting : options.settings) {
    if (auto set = setting.apply(kernel, fd); !set) return set;
  }
  if (options.source.size() == 0) return {};
  return bind_to(kernel, fd, options.source.at(plan.next_source++ % options.source.size()));
}

std::string in_words(std::span<const Address> addresses) {
  std::string text = addresses.front().to_string();
  if (addresses.size() > 1) text += " and " + std::to_string(addresses.size() - 1) + " more";
  return text;
}

// The shorter one, where 0 is none.
nanoseconds shorter(nanoseconds a, nanoseconds b) {
  if (a <= nanoseconds::zero()) return b;
  return b <= nanoseconds::zero() ? a : std::min(a, b);
}

}  // namespace

bool is_plain_tcp(const Address& peer, const ConnectOptions& options) {
  return peer.family() != AF_UNIX && !options.multipath;
}

Result<int> make_connecting_socket(Kernel& kernel, const Address& peer, ConnectPlan& plan) {
  const bool is_unix = peer.family() == AF_UNIX;
  const int protocol = plan.options.multipath && !is_unix ? IPPROTO_MPTCP : 0;
  const int fd = kernel.socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return failure(fd, "socket", peer.to_string());
  auto prepared = prepare(kernel, fd, is_unix, plan);
  if (prepared) return fd;
  kernel.close(fd);
  return std::unexpected(std::move(prepared).error());
}

Connector::Connector(Reactor& reactor, StreamOptions stream_options, ConnectOptions connect_options)
    : Connector(reactor,
                SharedStreamOptions(std::make_shared<StreamOptions>(std::move(stream_options))),
                std::move(connect_options)) {}

Connector::Connector(Reactor& reactor, SharedStreamOptions stream_options,
                     ConnectOptions connect_options)
    : reactor_(reactor),
      stream_options_(std::move(stream_options.options)),
      plan_(std::make_shared<ConnectPlan>(std::move(connect_options), stream_options_->no_delay)) {}

Result<Stream> Connector::connect(std::string_view address) {
  const auto parsed = Address::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  return connect(*parsed);
}

Result<Stream> Connector::connect(const Address& address) {
  return connect(std::span(&address, 1));
}

Result<Stream> Connector::connect(std::span<const Address> addresses) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  if (addresses.empty())
    return failure(-EINVAL, "connect", {}, "there is no address to connect to");
  const ConnectOptions& options = plan_->options;
  const bool is_one = addresses.size() == 1 && options.source.size() <= 1 &&
                      options.retry.limit == 0 && !options.on_attempt_failed;
  return is_one ? connect_once(addresses.front()) : connect_by_attempts(addresses);
}

// The stream's own slot connects: nothing is made but a socket.
Result<Stream> Connector::connect_once(const Address& address) {
  StreamSlot* slot = StreamSlot::make(reactor_, stream_options_, nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "connect", address.to_string());
  try {
    plan_->note_address(address);
  } catch (const std::bad_alloc&) {
    slot->discard();
    return failure(-ENOMEM, "connect");
  }
  auto fd = make_connecting_socket(reactor_.kernel(), address, *plan_);
  if (!fd) {
    slot->discard();
    return std::unexpected(fd.error());
  }
  const ConnectOptions& options = plan_->options;
  slot->begin_connect(*fd, is_plain_tcp(address, options), plan_->last_address,
                      shorter(options.timeout, options.total_timeout));
  return slot->handle();
}

Result<Stream> Connector::connect_by_attempts(std::span<const Address> addresses) {
  StreamSlot* slot = StreamSlot::make(reactor_, stream_options_, nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "connect", addresses.front().to_string());
  try {
    slot->begin_attempts(std::make_unique<ConnectAttempts>(
                             *slot, plan_, interleave_families(addresses), in_words(addresses)),
                         plan_->options.total_timeout);
  } catch (const std::bad_alloc&) {
    slot->discard();
    return failure(-ENOMEM, "connect");
  }
  return slot->handle();
}

Result<Stream> Connector::connect(Resolver& resolver, std::string_view host,
                                  std::string_view service) {
  return connect(resolver, host, service, ResolveHints());
}

Result<Stream> Connector::connect(Resolver& resolver, std::string_view host,
                                  std::string_view service, const ResolveHints& hints) {
  if (reactor_.error()) return std::unexpected(*reactor_.error());
  StreamSlot* slot = StreamSlot::make(reactor_, stream_options_, nullptr);
  if (slot == nullptr) return failure(-ENOMEM, "connect");
  try {
    std::string subject(host);
    auto attempts = std::make_unique<ConnectAttempts>(*slot, plan_, std::vector<Address>(),
                                                      subject.append(":").append(service));
    auto asked = resolver.resolve(host, service, hints, attempts->expect_addresses());
    if (!asked) {
      slot->discard();
      return std::unexpected(asked.error());
    }
    attempts->await_addresses();
    slot->begin_attempts(std::move(attempts), plan_->options.total_timeout);
  } catch (const std::bad_alloc&) {
    slot->discard();
    return failure(-ENOMEM, "connect");
  }
  return slot->handle();
}

std::vector<Address> interleave_families(std::span<const Address> addresses) {
  std::vector<Address> order(addresses.begin(), addresses.end());
  for (size_t i = 1; i < order.size(); ++i) {
    const auto from = order.begin() + static_cast<ptrdiff_t>(i);
    const auto other = std::find_if(from, order.end(), [&](const Address& address) {
      return address.family() != order[i - 1].family();
    });
    if (other == order.end()) break;
    std::rotate(from, other, other + 1);
  }
  return order;
}

}  // namespace eddy
