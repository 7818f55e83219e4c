#include "load/set_up.h"

#include <sched.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>

namespace eddy::load {
namespace {

constexpr std::array<std::string_view, 5> kSecrets = {
    "authorization:", "proxy-authorization:", "cookie:", "x-api-key:", "x-auth-token:"};

std::string without_secret(const std::string& word) {
  std::string lower = word;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view secret : kSecrets) {
    const size_t place = lower.find(secret);
    if (place != std::string::npos) return word.substr(0, place + secret.size()) + " ...";
  }
  return word;
}

std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain = "-_./:=,@%+";
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [&](unsigned char c) {
    return std::isalnum(c) != 0 || kPlain.find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (is_plain) return word;
  std::string text = "'";
  for (const char each : word) text += each == '\'' ? std::string("'\\''") : std::string(1, each);
  return text + "'";
}

std::string own_command() {
  std::ifstream file("/proc/self/cmdline");
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return shell_line(words);
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

unsigned own_cpus() {
  cpu_set_t cpus;
  return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? static_cast<unsigned>(CPU_COUNT(&cpus))
                                                        : 0;
}

std::string kernel() {
  utsname name = {};
  if (uname(&name) != 0) return {};
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

std::string utc_now() {
  const time_t now = time(nullptr);
  tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += (line.empty() ? "" : " ") + quoted(without_secret(word));
  }
  return line;
}

SetUp look_at_set_up() {
  return {.version = EDDY_VERSION,
          .command = own_command(),
          .ended = utc_now(),
          .kernel = kernel(),
          .cpu = cpu_model(),
          .cpus = own_cpus()};
}

}  // namespace eddy::load
