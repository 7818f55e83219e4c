#include <eddy/core/kernel.h>
#include <eddy/core/reactor.h>
#include <eddy/net/socket_options.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <algorithm>
#include <string>

namespace eddy {
namespace {

template <typename T>
OptionBytes bytes_of(const T& value) {
  OptionBytes result;
  static_assert(sizeof value <= sizeof result.bytes);
  memcpy(result.bytes.data(), &value, sizeof value);
  result.size = sizeof value;
  return result;
}

template <typename T>
T value_of(const OptionBytes& bytes) {
  T value;
  memcpy(&value, bytes.bytes.data(), sizeof value);
  return value;
}

// What the kernel keeps in an int.
template <typename Number>
OptionBytes whole(Number number) {
  if (number < 0 || number > INT_MAX) return {};
  return bytes_of(static_cast<int>(number));
}

std::string subject_of(const char* label, int descriptor) {
  return std::string(label) + " fd " + std::to_string(descriptor);
}

std::unexpected<Error> no_socket(const char* call, const char* label) {
  return std::unexpected<Error>(std::in_place, Errc::kClosed, call, label,
                                "there is no socket (any more, or not yet)");
}

}  // namespace

OptionBytes encode_option(bool value) { return bytes_of(value ? 1 : 0); }
OptionBytes encode_option(int value) { return bytes_of(value); }
OptionBytes encode_option(uint32_t value) { return bytes_of(value); }
OptionBytes encode_option(size_t value) {
  return value > INT_MAX ? OptionBytes() : bytes_of(static_cast<int>(value));
}
OptionBytes encode_option(std::chrono::seconds value) { return whole(value.count()); }
OptionBytes encode_option(std::chrono::milliseconds value) { return whole(value.count()); }
OptionBytes encode_option(std::chrono::microseconds value) { return whole(value.count()); }
OptionBytes encode_option(const std::string& value) {
  OptionBytes result;
  if (value.size() >= result.bytes.size() || value.contains('\0')) return result;
  value.copy(result.bytes.data(), value.size());
  result.size = static_cast<socklen_t>(result.bytes.size());
  return result;
}
OptionBytes encode_option(const std::optional<std::chrono::seconds>& value) {
  const auto time = value.value_or(std::chrono::seconds(0)).count();
  if (time < 0 || time > INT_MAX) return {};
  return bytes_of(linger{.l_onoff = value ? 1 : 0, .l_linger = static_cast<int>(time)});
}

void decode_option(const OptionBytes& bytes, bool& value) { value = value_of<int>(bytes) != 0; }
void decode_option(const OptionBytes& bytes, int& value) { value = value_of<int>(bytes); }
void decode_option(const OptionBytes& bytes, uint32_t& value) { value = value_of<uint32_t>(bytes); }
// The kernel's "no limit" is -1 (TCP_NOTSENT_LOWAT).
void decode_option(const OptionBytes& bytes, size_t& value) { value = value_of<uint32_t>(bytes); }
void decode_option(const OptionBytes& bytes, std::chrono::seconds& value) {
  value = std::chrono::seconds(value_of<int>(bytes));
}
void decode_option(const OptionBytes& bytes, std::chrono::milliseconds& value) {
  value = std::chrono::milliseconds(value_of<int>(bytes));
}
void decode_option(const OptionBytes& bytes, std::chrono::microseconds& value) {
  value = std::chrono::microseconds(value_of<int>(bytes));
}
void decode_option(const OptionBytes& bytes, std::string& value) {
  value.assign(bytes.bytes.data(), strnlen(bytes.bytes.data(), bytes.size));
}
void decode_option(const OptionBytes& bytes, std::optional<std::chrono::seconds>& value) {
  const auto state = value_of<linger>(bytes);
  value.reset();
  if (state.l_onoff != 0) value = std::chrono::seconds(state.l_linger);
}

Result<void> SocketSetting::apply(Kernel& kernel, int descriptor) const {
  const int failed = value_.size == 0 ? -EINVAL
                                      : kernel.setsockopt(descriptor, level_, name_,
                                                          value_.bytes.data(), value_.size);
  if (failed == 0) return {};
  const bool is_unknown = failed == -ENOENT && level_ == IPPROTO_TCP && name_ == TCP_CONGESTION;
  return failure(
      failed, "setsockopt", subject_of(label_, descriptor),
      is_unknown ? "/proc/sys/net/ipv4/tcp_available_congestion_control has the names" : "");
}

Result<void> set_option(Reactor& reactor, int descriptor, const SocketSetting& setting) {
  if (descriptor < 0) return no_socket("setsockopt", "");
  return setting.apply(reactor.kernel(), descriptor);
}

Result<OptionBytes> get_option(Reactor& reactor, int descriptor, int level, int name,
                               const char* label, socklen_t size) {
  if (descriptor < 0) return no_socket("getsockopt", label);
  OptionBytes result{.size = size};
  const int failed =
      reactor.kernel().getsockopt(descriptor, level, name, result.bytes.data(), &result.size);
  if (failed == 0) return result;
  return failure(failed, "getsockopt", subject_of(label, descriptor));
}

}  // namespace eddy
