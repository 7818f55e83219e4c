// What one stream receives, sent to another: for proxies.
//
// What it is: from `splice` on, what `from` receives goes to `to`, in order behind what `to` was
// given to send before; what is sent on `to` afterwards waits until the splice is over. Large
// messages go through a pipe and never enter user space (splice(2)); small ones are received and
// sent as slices, which costs less. Nothing is read while `to` does not take it: at most a pipe's
// content, or a queue up to the high watermark of `to`, waits in between.
//
// Meanwhile `from` has no on_data and no on_end; pausing it pauses the splice. Descriptors that
// arrive on it still come to its on_descriptors, and what it receives goes as slices then, whatever
// the mode. The end:
//  - `from` has come to the end of its input, and all is delivered: no code. `to` is as before.
//  - `from` ends with an error, and all that came before it is delivered: that error. Errc::kClosed
//    where its owner closed it.
//  - `to` fails or is closed: its error, or Errc::kClosed. What it had not taken is lost, and
//    `from` receives by its own callbacks again.
// Closing either stream sends what is on its way first, as `Stream::close` has it.
//
// Time-outs are those of the streams: what passes counts for both. A program that does little but
// pass on spares two system calls in four by ignore_sigpipe (core/sigpipe.h).
//
// Ownership: the reactor's; there is no handle. The streams are the user's as before.
// Threads: the reactor's alone, and both streams are of one reactor.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/stream.h>
#include <stdint.h>

#include <functional>
#include <system_error>

namespace eddy {

enum class SpliceMode : uint8_t {
  kAuto,    // by the size of what comes
  kPipe,    // through a pipe, always; what cannot be spliced (a terminal) is copied
  kSlices,  // by slices, always
};

struct SpliceOptions {
  SpliceMode mode = SpliceMode::kAuto;
};

// Fails with Errc::kClosed where one of the streams does not take calls any more, with EBUSY where
// `from` is spliced already, and with EINVAL for a stream to itself. `done` is called once, when it
// is over; not when a reactor or a server is destroyed.
Result<void> splice(Stream from, Stream to, const SpliceOptions& options = {},
                    std::move_only_function<void(std::error_code)> done = {});

// Two streams as one connection: each is spliced to the other. Either may still be connecting: what
// the other receives waits for it meanwhile. The end of input of one becomes
// `shutdown_write` of the other; when both have ended, both are closed. Where one ends with an
// error the other is reset, so that its peer does not take what it got for all there was; where one
// is closed, so is the other. Their on_close tells each end.
Result<void> relay(Stream a, Stream b, const SpliceOptions& options = {});

}  // namespace eddy
