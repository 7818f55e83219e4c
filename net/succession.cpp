#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/bound_path_internal.h>
#include <eddy/net/socket_name_internal.h>
#include <eddy/net/succession.h>
#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace eddy {
namespace {

constexpr std::string_view kHello = "eddy succession 1";
constexpr std::string_view kReady = "ready";
constexpr std::string_view kEnd = "end";
constexpr size_t kSocketsInMessage = 64;  // SCM_RIGHTS takes 253 (unix(7))
constexpr size_t kLongestMessage = 64 * 1024;
constexpr std::chrono::milliseconds kRetryAfter(50);

// A message's descriptors, as they lie in it.
union ControlRoom {
  cmsghdr header;
  std::array<char, CMSG_SPACE(kSocketsInMessage * sizeof(int))> bytes;
};

ssize_t send_text(Kernel& kernel, int fd, std::string_view text) {
  return kernel.send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// Names, a line each, and the descriptors that they are of.
ssize_t send_sockets(Kernel& kernel, int fd, const NamedSocket* sockets, size_t count) {
  std::string names;
  ControlRoom room = {};
  msghdr message = {};
  message.msg_control = room.bytes.data();
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  auto* descriptors = reinterpret_cast<int*>(CMSG_DATA(header));
  for (size_t i = 0; i < count; ++i) {
    names += sockets[i].name + "\n";
    descriptors[i] = sockets[i].descriptor;
  }
  iovec piece = {names.data(), names.size()};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  return kernel.sendmsg(fd, &message, MSG_NOSIGNAL);
}

// The effective user of the process that was at the other end when it connected or listened.
Result<uid_t> user_of(Kernel& kernel, int fd) {
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  const int failed = kernel.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length);
  if (failed < 0) return failure(failed, "getsockopt SO_PEERCRED");
  return credentials.uid;
}

// This process's, as its peers are told.
Result<uid_t> own_user(Kernel& kernel) {
  int ends[2];
  const int failed = kernel.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  if (failed < 0) return failure(failed, "socketpair");
  auto user = user_of(kernel, ends[0]);
  for (const int end : ends) kernel.close(end);
  return user;
}

// Sockets go between processes of one user, and between root's and anybody's.
Result<void> trust(Kernel& kernel, int fd, const std::string& subject = {}) {
  const auto user = user_of(kernel, fd);
  if (!user) return std::unexpected(user.error());
  if (*user == 0) return {};
  const auto own = own_user(kernel);
  if (!own) return std::unexpected(own.error());
  if (*user == *own) return {};
  return failure(
      -EACCES, "succession", subject,
      "it is of user " + std::to_string(*user) + ", neither root nor this process's own");
}

}  // namespace

// --- The one that serves

struct Succession::State {
  State(Reactor& its_reactor, Events its_events, std::chrono::nanoseconds its_patience)
      : reactor(its_reactor),
        kernel(reactor.kernel()),
        events(std::move(its_events)),
        patience(its_patience) {}
  ~State() {
    if (control >= 0 && reactor.of_this_process()) close();
  }

  Result<void> begin(int descriptor) {
    auto watching =
        reactor.watch(descriptor, Interest::kReadable, [this](Interest) { accept_successor(); });
    if (!watching) return std::unexpected(watching.error());
    watching->set_keeps_alive(false);
    control = descriptor;
    control_watch = *watching;
    return {};
  }

  void close() {
    drop_successor();
    if (control < 0) return;
    reactor.cancel_timer(retry_timer);
    control_watch.close();
    path.remove(kernel);
    kernel.close(std::exchange(control, -1));
  }

  void accept_successor() {
    const int fd = kernel.accept4(control, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (fd != -EAGAIN && fd != -EINTR && fd != -ECONNABORTED) accept_later();
      return;
    }
    auto watching = successor < 0 && trust(kernel, fd)
                        ? reactor.watch(
                              fd, Interest::kReadable, [this](Interest) { hear(); })
                        : failure(-EBUSY, "accept4");
    if (!watching) {
      kernel.close(fd);
      return;
    }
    watching->set_keeps_alive(false);
    successor = fd;
    successor_watch = *watching;
    timer = reactor.start_timer(patience, [this] { fail(Error(Errc::kTimedOut, "succession")); },
                                {.referenced = false});
  }

  // Without descriptors, whoever waits would be told of again and again.
  void accept_later() {
    control_watch.set_interest(Interest::kNone);
    retry_timer = reactor.start_timer(kRetryAfter,
                                      [this] { control_watch.set_interest(Interest::kReadable); },
                                      {.referenced = false});
  }

  void hear() {
    std::array<char, 64> text;
    const ssize_t count = kernel.recv(successor, text.data(), text.size(), 0);
    if (count == -EAGAIN) return;
    const std::string_view said(text.data(), count > 0 ? static_cast<size_t>(count) : 0);
    if (said == kHello && !has_asked) {
      has_asked = true;
      if (const ssize_t failed = give(); failed < 0) {
        fail(failure(static_cast<int>(failed), "sendmsg").error());
      }
    } else if (said == kReady && has_asked) {
      succeed();
    } else {
      const int error = said.empty() ? ECONNRESET : EPROTO;
      fail(Error(errno_code(error), "succession", {}, "the successor did not become ready"));
    }
  }

  // 0, or a negative errno: the socket holds some hundred descriptors, and more are not waited for.
  ssize_t give() {
    std::vector<NamedSocket> sockets = events.sockets();
    sockets.insert(sockets.begin(), {.name = "", .descriptor = control});
    for (size_t i = 0; i < sockets.size(); i += kSocketsInMessage) {
      const size_t count = std::min(kSocketsInMessage, sockets.size() - i);
      const ssize_t sent = send_sockets(kernel, successor, &sockets[i], count);
      if (sent < 0) return sent;
    }
    return std::min<ssize_t>(send_text(kernel, successor, kEnd), 0);
  }

  void succeed() {
    path = {};  // the successor's now
    close();
    const auto told = std::move(events.succeeded);
    told();
  }

  void fail(const Error& error) {
    const bool had_asked = has_asked;
    drop_successor();
    if (had_asked && events.failed) events.failed(error);
  }

  void drop_successor() {
    if (successor < 0) return;
    reactor.cancel_timer(timer);
    successor_watch.close();
    kernel.close(std::exchange(successor, -1));
    has_asked = false;
  }

  Reactor& reactor;
  Kernel& kernel;
  Events events;
  const std::chrono::nanoseconds patience;
  int control = -1;
  Watch control_watch;
  BoundPath path;
  int successor = -1;
  Watch successor_watch;
  bool has_asked = false;
  TimerId timer{};
  TimerId retry_timer{};
};

Succession::Succession(Reactor& reactor, Events events, std::chrono::nanoseconds patience)
    : state_(std::make_unique<State>(reactor, std::move(events), patience)) {}

Succession::~Succession() = default;

Result<void> Succession::listen(const Address& control) {
  Kernel& kernel = state_->kernel;
  const int fd = kernel.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", control.to_string());
  auto path = BoundPath::bind(kernel, fd, control, {});
  Result<void> result;
  if (!path) {
    result = std::unexpected(path.error());
  } else if (const int failed = kernel.listen(fd, 8); failed < 0) {
    result = failure(failed, "listen", control.to_string());
  } else {
    result = state_->begin(fd);
  }
  if (result) {
    state_->path = *path;
  } else {
    if (path) path->remove(kernel);
    kernel.close(fd);
  }
  return result;
}

Result<void> Succession::listen_on(int descriptor) {
  auto begun = state_->begin(descriptor);
  const auto name = socket_name(state_->kernel, descriptor);
  if (begun && name) state_->path = BoundPath::inherited(state_->kernel, *name);
  return begun;
}

void Succession::close() { state_->close(); }

// --- The one that follows

Result<Predecessor> Predecessor::find(Kernel& kernel, const Address& control,
                                      std::chrono::nanoseconds patience) {
  Predecessor predecessor(kernel);
  const int fd = kernel.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(fd, "socket", control.to_string());
  predecessor.connection_ = fd;
  // For one that is stopped, whose backlog is full, and that hands nothing over.
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience);
  const timeval most = {.tv_sec = seconds.count(), .tv_usec = 0};
  kernel.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
  kernel.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
  int failed = 0;
  do {  // a reactor's ring may interrupt its own thread
    failed = kernel.connect(fd, control.data(), control.size());
  } while (failed == -EINTR);
  if (failed == -EAGAIN)
    return std::unexpected(Error(Errc::kTimedOut, "connect", control.to_string()));
  if (failed == -ENOENT || failed == -ECONNREFUSED) {
    kernel.close(std::exchange(predecessor.connection_, -1));
    return predecessor;
  }
  if (failed < 0) return failure(failed, "connect", control.to_string());
  auto asked = trust(kernel, fd, control.to_string());
  if (asked) asked = predecessor.ask(control);
  if (!asked) return std::unexpected(asked.error());
  return predecessor;
}

Result<void> Predecessor::ask(const Address& control) {
  const ssize_t sent = send_text(*kernel_, connection_, kHello);
  if (sent < 0 && sent != -EPIPE)
    return failure(static_cast<int>(sent), "send", control.to_string());

  std::string text(kLongestMessage, '\0');
  for (;;) {
    ControlRoom room = {};
    iovec piece = {text.data(), text.size()};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = room.bytes.data();
    message.msg_controllen = room.bytes.size();
    const ssize_t count = kernel_->recvmsg(connection_, &message, MSG_CMSG_CLOEXEC);
    if (count == -EINTR) continue;
    if (count == -EAGAIN) {
      return std::unexpected(Error(Errc::kTimedOut, "succession", control.to_string()));
    }
    if (count <= 0) {
      return failure(count < 0 ? static_cast<int>(count) : -ECONNRESET, "succession",
                     control.to_string(),
                     "the process that serves there has another successor, or another user");
    }
    std::string_view names(text.data(), static_cast<size_t>(count));
    if (names == kEnd) return {};
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) continue;
    const auto* descriptors = reinterpret_cast<const int*>(CMSG_DATA(header));
    for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      const std::string_view name = names.substr(0, names.find('\n'));
      names.remove_prefix(std::min(name.size() + 1, names.size()));
      sockets_.push_back({.name = std::string(name), .descriptor = descriptors[i]});
    }
  }
}

Predecessor::Predecessor(Predecessor&& other) noexcept
    : kernel_(other.kernel_),
      connection_(std::exchange(other.connection_, -1)),
      sockets_(std::exchange(other.sockets_, {})) {}

Predecessor::~Predecessor() {
  for (const NamedSocket& socket : sockets_) kernel_->close(socket.descriptor);
  if (connection_ >= 0) kernel_->close(connection_);
}

std::vector<int> Predecessor::take(std::string_view name) {
  std::vector<int> taken;
  std::erase_if(sockets_, [&](const NamedSocket& socket) {
    if (socket.name != name) return false;
    taken.push_back(socket.descriptor);
    return true;
  });
  return taken;
}

int Predecessor::take_control() {
  const std::vector<int> control = take("");
  return control.empty() ? -1 : control.front();
}

void Predecessor::ready() {
  if (connection_ < 0) return;
  send_text(*kernel_, connection_, kReady);
  kernel_->close(std::exchange(connection_, -1));
}

}  // namespace eddy
