// eddy probe: what this kernel offers a reactor, and which backend a reactor gets.
#include <eddy/core/choose_backend.h>
#include <eddy/core/linux_kernel.h>
#include <eddy/core/reactor.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "command.h"

namespace eddy::tools {
namespace {

struct Probed {
  std::string release;
  bool epoll_pwait2 = false;
  Result<BackendChoice> uring;            // what io_uring gives when it is asked for
  BackendChoice automatic;                // what `auto` gives
  std::optional<std::string> overridden;  // by EDDY_BACKEND
};

std::string kernel_release() {
  utsname name = {};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "unknown";
}

// A kernel that has the call finds fault with the descriptor (epoll_wait(2), "ERRORS").
bool has_epoll_pwait2() {
  return syscall(SYS_epoll_pwait2, -1, nullptr, 1, nullptr, nullptr, 0) == -1 && errno != ENOSYS;
}

Result<Probed> probe() {
  Kernel& kernel = linux_kernel();
  auto automatic = choose_backend(kernel, {});
  if (!automatic) return std::unexpected(automatic.error());
  std::optional<std::string> overridden;
  if (const char* variable = getenv("EDDY_BACKEND"); variable != nullptr && *variable != '\0') {
    overridden = variable;
  }
  unsetenv("EDDY_BACKEND");  // it would hide what the kernel says
  return Probed{.release = kernel_release(),
                .epoll_pwait2 = has_epoll_pwait2(),
                .uring = choose_backend(kernel, {.backend = BackendKind::kUring}),
                .automatic = *automatic,
                .overridden = overridden};
}

// Those that a program started with this environment can have.
std::vector<std::string> usable_backends(const Probed& probed) {
  if (probed.overridden && *probed.overridden != "auto") {
    return {to_string(probed.automatic.kind)};
  }
  std::vector<std::string> names = {to_string(BackendKind::kEpoll)};
  if (probed.uring) names.emplace_back(to_string(BackendKind::kUring));
  return names;
}

int print_json(const Probed& probed) {
  using Json = nlohmann::ordered_json;
  const BackendChoice features = probed.uring.value_or(BackendChoice{});
  Json uring = {{"allowed", probed.uring.has_value()},
                {"incremental_buffers", features.incremental_buffers},
                {"receive_limit", features.receive_limit},
                {"min_wait", features.min_wait}};
  if (!probed.uring) uring["reason"] = probed.uring.error().message();
  const Json object = {
      {"kernel", probed.release},
      {"io_uring", uring},
      {"epoll_pwait2", probed.epoll_pwait2},
      {"backends", usable_backends(probed)},
      {"auto",
       {{"backend", to_string(probed.automatic.kind)}, {"reason", probed.automatic.reason}}}};
  puts(object.dump().c_str());
  return 0;
}

void print_line(const char* name, bool has, const char* meaning) {
  printf("  %-22s%-5s%s\n", name, has ? "yes" : "no", meaning);
}

int print_text(const Probed& probed) {
  printf("%s\n\nepoll\n", probed.release.c_str());
  print_line("epoll_pwait2", probed.epoll_pwait2, "time-outs in nanoseconds (Linux 5.11)");
  if (probed.uring) {
    printf("\nio_uring: allowed\n");
    print_line("incremental buffers", probed.uring->incremental_buffers,
               "a message takes no more of a buffer than its bytes (Linux 6.12)");
    print_line("receive limit", probed.uring->receive_limit,
               "a stream takes its quota and no more before it is asked again (Linux 6.17)");
    print_line("minimum wait", probed.uring->min_wait,
               "completions can be let gather before waking (Linux 6.12)");
  } else {
    printf("\nio_uring: cannot be used: %s\n", probed.uring.error().message().c_str());
  }
  printf("\nauto gives %s: %s\n", to_string(probed.automatic.kind),
         probed.automatic.reason.c_str());
  if (probed.overridden)
    printf("(the environment says EDDY_BACKEND=%s)\n", probed.overridden->c_str());
  return 0;
}

}  // namespace

Command make_probe(CLI::App& app) {
  CLI::App* command = app.add_subcommand("probe", "Tell what this kernel offers a reactor");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "One JSON object on stdout")->disable_flag_override();
  command->footer(
      "It tries each thing once: a kernel's version says little about what a container allows.\n\n"
      "Exit status: 0; 2 bad arguments, or EDDY_BACKEND asks for what cannot be had.");
  return {command, [json] {
            const auto probed = probe();
            if (!probed) return report(probed.error());
            return *json ? print_json(*probed) : print_text(*probed);
          }};
}

}  // namespace eddy::tools
