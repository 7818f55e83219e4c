// The one place that names the backends.
#pragma once

#include <eddy/core/backend.h>

#include <memory>
#include <optional>
#include <string>

namespace eddy {

struct ReactorOptions;

// Which backend a reactor has, and why: "io_uring: the kernel does all that is needed", or
// "epoll: io_uring_setup: Operation not permitted".
struct BackendChoice {
  BackendKind kind = BackendKind::kAuto;
  std::string reason;
  bool incremental_buffers = false;  // io_uring consumes segments a message at a time (Linux 6.12)
  bool receive_limit = false;        // io_uring bounds a multishot receive (Linux 6.17)
  bool min_wait = false;             // io_uring can wait for more than one completion (Linux 6.12)
};

// What this kernel would give for these options, from a probe that did it once. The environment's
// EDDY_BACKEND=epoll|uring|auto overrides `options.backend`; any other value is an error. Asking
// for io_uring where the kernel refuses it is an error too; with `kAuto` it means epoll.
Result<BackendChoice> choose_backend(Kernel& kernel, const ReactorOptions& options);

// Another one, where the first choice was free and could not be made after all: epoll in io_uring's
// place, and why. Nothing where there is no other.
std::optional<BackendChoice> second_choice(const BackendChoice& first,
                                           const ReactorOptions& options, const Error& why);

// The segments that suit the choice, in range: enough of them for the backend never to wait for
// itself; where io_uring cannot consume a buffer in parts, small ones.
BufferRingOptions suitable_buffers(const BackendChoice& choice, const BufferRingOptions& asked);

Result<std::unique_ptr<Backend>> make_backend(const BackendChoice& choice, Turn& turn,
                                              const ReactorOptions& options);

}  // namespace eddy
