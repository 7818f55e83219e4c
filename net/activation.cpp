#include <eddy/core/kernel.h>
#include <eddy/net/activation.h>
#include <eddy/net/environment_internal.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace eddy {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

std::optional<int> parse_number(const std::string& text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end || number < 0) return std::nullopt;
  return number;
}

std::unexpected<Error> meaningless(const char* variable, const std::string& text) {
  return failure(-EINVAL, "sd_listen_fds", variable + ("=" + text),
                 "whoever started this process set it to no number of descriptors");
}

int option_of(Kernel& kernel, int fd, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return kernel.getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

InheritedKind kind_of(Kernel& kernel, int fd) {
  const int type = option_of(kernel, fd, SO_TYPE);
  if (type == SOCK_DGRAM) return InheritedKind::kDatagram;
  if (type != SOCK_STREAM && type != SOCK_SEQPACKET) return InheritedKind::kOther;
  return option_of(kernel, fd, SO_ACCEPTCONN) == 1 ? InheritedKind::kListener
                                                   : InheritedKind::kConnection;
}

}  // namespace

Result<std::vector<InheritedDescriptor>> take_inherited_descriptors(Kernel& kernel) {
  const auto process = take_variable("LISTEN_PID");
  const auto count = take_variable("LISTEN_FDS");
  const std::string names = take_variable("LISTEN_FDNAMES").value_or("");
  std::vector<InheritedDescriptor> inherited;
  if (!process || !count) return inherited;
  const auto meant = parse_number(*process);
  if (!meant) return meaningless("LISTEN_PID", *process);
  if (*meant != kernel.process_id()) return inherited;
  const auto descriptors = parse_number(*count);
  if (!descriptors || *descriptors > INT_MAX - kFirst) return meaningless("LISTEN_FDS", *count);

  std::string_view rest = names;
  for (int fd = kFirst; fd < kFirst + *descriptors; ++fd) {
    if (const int failed = kernel.set_close_on_exec(fd, true); failed < 0) {
      return failure(failed, "sd_listen_fds", "fd " + std::to_string(fd),
                     "LISTEN_FDS says that it is there");
    }
    const std::string_view name = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    inherited.push_back({.descriptor = fd,
                         .kind = kind_of(kernel, fd),
                         .name = name.empty() ? "unknown" : std::string(name)});
  }
  return inherited;
}

}  // namespace eddy
