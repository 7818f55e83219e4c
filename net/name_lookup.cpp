#include <eddy/net/name_lookup_internal.h>
#include <eddy/net/resolver.h>
#include <errno.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <new>
#include <string_view>

namespace eddy {
namespace {

// RFC 1035, section 2.3.4, in the text without the last dot: 255 octets with the lengths and the
// root's.
constexpr size_t kMostOctets = 253;
constexpr size_t kMostOctetsOfLabel = 63;
// What getaddrinfo may be given where it encodes the name itself (AI_IDN), and as a service.
constexpr size_t kMostText = NI_MAXHOST - 1;
constexpr size_t kMostShown = 64;
constexpr std::string_view kItself = "*";

constexpr int kPlainFlags = AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV |
                            AI_V4MAPPED | AI_ALL | AI_ADDRCONFIG | AI_IDN | AI_CANONIDN;

class NameCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "names"; }
  std::string message(int value) const override { return gai_strerror(value); }
  std::error_condition default_error_condition(int value) const noexcept override {
    if (value == EAI_AGAIN) return std::errc::resource_unavailable_try_again;
    if (value == EAI_MEMORY) return std::errc::not_enough_memory;
    return {value, *this};
  }
};

std::string shown(std::string_view text) {
  return std::string(text.substr(0, kMostShown)) + (text.size() > kMostShown ? "..." : "");
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<uint16_t> port_of(std::string_view number) {
  uint16_t port = 0;
  const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), port);
  if (failed != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return port;
}

const char* what_is_wrong_with_labels(std::string_view host) {
  for (size_t begin = 0; begin < host.size();) {
    const size_t end = std::min(host.find('.', begin), host.size());
    if (end == begin) return "there is an empty label in it";
    if (end - begin > kMostOctetsOfLabel) return "a label has more than 63 octets (RFC 1035)";
    begin = end + 1;
  }
  return nullptr;
}

// Null: nothing. What is encoded first has its limits once it is (EAI_IDN_ENCODE).
const char* what_is_wrong_with_host(std::string_view host, int flags) {
  if (host.empty()) return "the name is empty: write * for this machine";
  if (host.contains('\0')) return "there is a NUL byte in the name";
  const bool is_encoded = (flags & AI_IDN) != 0 && std::ranges::any_of(host, [](char octet) {
                            return static_cast<unsigned char>(octet) >= 0x80;
                          });
  if (is_encoded) return host.size() > kMostText ? "longer than any name" : nullptr;
  if (host.ends_with('.') && host.size() > 1) host.remove_suffix(1);
  if (host.size() > kMostOctets) return "a name has at most 253 octets (RFC 1035)";
  return what_is_wrong_with_labels(host);
}

const char* what_is_wrong_with_service(std::string_view service) {
  if (service.contains('\0')) return "there is a NUL byte in the service";
  if (service.size() > kMostText) return "longer than any service";
  if (is_number(service) && !port_of(service)) return "a port is at most 65535";
  return nullptr;
}

std::unexpected<Error> failed_with(const NameQuestion& question, int result, int error) {
  if (result == EAI_SYSTEM) return failure(error, question.call(), question.subject());
  const char* advice = result == EAI_AGAIN ? "no name server has answered" : "";
  return std::unexpected<Error>(std::in_place, std::error_code(result, name_category()),
                                question.call(), question.subject(), advice);
}

Result<NameAnswer> addresses_of(Kernel& kernel, const NameQuestion& question) {
  const addrinfo hints = {.ai_flags = question.flags,
                          .ai_family = question.family,
                          .ai_socktype = question.socket_type,
                          .ai_protocol = question.protocol};
  addrinfo* list = nullptr;
  int error = 0;
  const int result = kernel.getaddrinfo(
      question.host == kItself ? nullptr : question.host.c_str(),
      question.service.empty() ? nullptr : question.service.c_str(), &hints, &list, &error);
  if (result != 0) return failed_with(question, result, error);
  const auto free_list = [&kernel](addrinfo* first) { kernel.freeaddrinfo(first); };
  const std::unique_ptr<addrinfo, decltype(free_list)> owned(list, free_list);
  NameAnswer answer;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    if (at->ai_canonname != nullptr) answer.name = at->ai_canonname;
    const auto address = Address::from(at->ai_addr, at->ai_addrlen);
    if (!address || std::ranges::find(answer.addresses, *address) != answer.addresses.end()) {
      continue;  // of another family, or of another kind of socket
    }
    answer.addresses.push_back(*address);
  }
  if (answer.addresses.empty()) return failed_with(question, EAI_NODATA, 0);
  return answer;
}

Result<NameAnswer> name_of(Kernel& kernel, const NameQuestion& question) {
  char host[NI_MAXHOST] = "";
  char service[NI_MAXSERV] = "";
  int error = 0;
  const int result =
      kernel.getnameinfo(question.address.data(), question.address.size(), host, sizeof host,
                         service, sizeof service, question.flags, &error);
  if (result != 0) return failed_with(question, result, error);
  return NameAnswer{.addresses = {}, .name = host, .service = service};
}

}  // namespace

const std::error_category& name_category() noexcept {
  static const NameCategory category;
  return category;
}

std::string NameQuestion::subject() const {
  if (is_reverse) return address.to_string();
  return service.empty() ? shown(host) : shown(host) + ":" + shown(service);
}

std::optional<Error> refuse(const NameQuestion& question) {
  if (question.is_reverse) return std::nullopt;
  const char* wrong = what_is_wrong_with_host(question.host, question.flags);
  if (wrong == nullptr) wrong = what_is_wrong_with_service(question.service);
  if (wrong == nullptr) return std::nullopt;
  return Error(Errc::kBadAddress, "resolve", question.subject(), wrong);
}

// An Address is read more strictly than getaddrinfo reads numbers: 127.1, say, is left to it.
std::optional<NameAnswer> numeric_answer(const NameQuestion& question) {
  const std::string_view host = question.host;
  const bool has_form = host.contains(':') || is_number(host.substr(0, 1));
  const bool has_port = question.service.empty() || is_number(question.service);
  if (question.is_reverse || !has_form || !has_port || host.starts_with('[')) return std::nullopt;
  if ((question.flags & ~kPlainFlags) != 0) return std::nullopt;
  const auto address = Address::parse(host, port_of(question.service).value_or(0));
  if (!address) return std::nullopt;
  if (question.family != AF_UNSPEC && question.family != address->family()) return std::nullopt;
  const bool named = (question.flags & AI_CANONNAME) != 0;
  return NameAnswer{
      .addresses = {*address}, .name = named ? question.host : std::string(), .service = {}};
}

Result<NameAnswer> look_up(Kernel& kernel, const NameQuestion& question) noexcept {
  try {
    return question.is_reverse ? name_of(kernel, question) : addresses_of(kernel, question);
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, question.call());
  }
}

}  // namespace eddy
