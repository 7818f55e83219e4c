#include "load_schemes.h"

namespace eddy::tools {
namespace {

// "script" are tcp:// and unix: with --script.
struct Targets {
  std::string_view schemes;  // each between blanks
  const char* text;
};

constexpr Targets kHttp = {" http https ", "http:// and https://"};
constexpr Targets kTls = {" https ", "https://"};
constexpr Targets kStores = {" redis memcached ", "redis:// and memcached://"};
constexpr Targets kKeyed = {" redis memcached script ", "redis://, memcached:// and --script"};
constexpr Targets kSized = {" tcp unix script udp redis memcached ",
                            "echo servers, stores and --script"};
constexpr Targets kScripts = {" script ", "tcp:// and unix:"};
constexpr Targets kStreams = {" tcp unix script http https redis memcached ",
                              "connections, and udp:// has none"};

struct OptionTargets {
  const char* option;
  const Targets& targets;
};

constexpr OptionTargets kOptions[] = {
    {"--header", kHttp},
    {"--method", kHttp},
    {"--body", kHttp},
    {"--body-file", kHttp},
    {"--expect-status", kHttp},
    {"--expect-text", kHttp},
    {"--sni", kTls},
    {"--ca", kTls},
    {"--insecure", kTls},
    {"--cert", kTls},
    {"--key", kTls},
    {"--tls-resume", kTls},
    {"--mix", kStores},
    {"--fill", kStores},
    {"--keys", kKeyed},
    {"--zipf", kKeyed},
    {"--size", kSized},
    {"--script", kScripts},
    {"--churn", kStreams},
    {"--requests-per-connection", kStreams},
    {"--connect-rate", kStreams},
    {"--source", kStreams},
};

}  // namespace

std::string check_schemes(const CLI::App& command, std::string_view target) {
  std::string scheme(target.substr(0, target.find(':')));
  if (command.count("--script") > 0 && (scheme == "tcp" || scheme == "unix")) scheme = "script";
  for (const auto& [option, targets] : kOptions) {
    if (command.count(option) == 0 || targets.schemes.contains(" " + scheme + " ")) continue;
    return std::string(option) + " is for " + targets.text;
  }
  return {};
}

}  // namespace eddy::tools
