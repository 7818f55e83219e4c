#include "arguments.h"

namespace eddy::tools {

std::optional<BackendKind> parse_backend(std::string_view text) {
  for (const auto kind : {BackendKind::kAuto, BackendKind::kEpoll, BackendKind::kUring}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

void add_reactor_options(CLI::App& app, ReactorOptions& options) {
  add_option(app, "--backend", options.backend, kBackend, {BackendKind::kAuto, BackendKind::kUring},
             "auto",
             "epoll, uring (io_uring), or auto: io_uring where the kernel allows it, else epoll");
}

}  // namespace eddy::tools
