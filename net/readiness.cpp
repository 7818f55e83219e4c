#include <eddy/core/kernel.h>
#include <eddy/net/environment_internal.h>
#include <eddy/net/readiness.h>
#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace eddy {
namespace {

// 0 for what is none, and for what systemd calls infinity.
int64_t number_in(const std::optional<std::string>& text) {
  int64_t number = 0;
  if (!text) return 0;
  const char* end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, number);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::max<int64_t>(number, 0) : 0;
}

}  // namespace

Readiness Readiness::from_environment(Kernel& kernel) {
  const auto socket = take_variable("NOTIFY_SOCKET");
  const auto interval = take_variable("WATCHDOG_USEC");
  const auto process = take_variable("WATCHDOG_PID");
  std::optional<Address> address;
  if (socket) {
    if (auto parsed = Address::parse("unix:" + *socket)) address = *parsed;
  }
  const bool watched = !process || number_in(process) == kernel.process_id();
  return {kernel, address, std::chrono::microseconds(watched ? number_in(interval) : 0)};
}

Readiness::Readiness(Kernel& kernel, std::optional<Address> socket,
                     std::chrono::microseconds watchdog)
    : kernel_(&kernel), socket_(socket), watchdog_(watchdog) {}

Result<void> Readiness::send(std::string_view lines) const {
  if (!socket_) return {};
  const int fd = kernel_->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failure(fd, "socket", socket_->to_string());
  iovec piece = {const_cast<char*>(lines.data()), lines.size()};  // NOLINT: iovec's type
  msghdr message = {};
  message.msg_name = const_cast<sockaddr*>(socket_->data());  // NOLINT: msghdr's type
  message.msg_namelen = socket_->size();
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t sent = kernel_->sendmsg(fd, &message, MSG_NOSIGNAL);
  kernel_->close(fd);
  if (sent < 0) return failure(static_cast<int>(sent), "sendmsg", socket_->to_string());
  return {};
}

Result<void> Readiness::ready() const { return send("READY=1\n"); }

Result<void> Readiness::ready_in_its_place() const {
  return send("READY=1\nMAINPID=" + std::to_string(kernel_->process_id()) + "\n");
}

Result<void> Readiness::stopping() const { return send("STOPPING=1\n"); }

Result<void> Readiness::reloading() const {
  return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(kernel_->monotonic_ns() / 1000) +
              "\n");
}

Result<void> Readiness::status(std::string_view line) const {
  std::string text = "STATUS=" + std::string(line);
  std::ranges::replace(text, '\n', ' ');
  return send(text + "\n");
}

Result<void> Readiness::alive() const { return send("WATCHDOG=1\n"); }

}  // namespace eddy
