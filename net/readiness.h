// What a service tells whoever started it: that it is ready, stops, reloads, and is alive.
//
// What it is: the protocol of sd_notify(3), without systemd's library: datagrams of lines to the
// Unix socket that NOTIFY_SOCKET names, by path or ("@…") abstract. Where there is none, every
// function succeeds and does nothing, so that a program need not ask.
//
//   Readiness readiness = Readiness::from_environment(kernel);
//   …                                    // listen
//   readiness.ready();                   // systemctl start returns now (Type=notify)
//
// Failure: what cannot be sent (EAGAIN: the other side does not read) is returned, and nothing
// waits.
//
// Threads: one at a time; `from_environment` while there are no other threads, since it changes the
// environment: the variables are unset, so that no child speaks for this process.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/address.h>

#include <chrono>
#include <optional>
#include <string_view>

namespace eddy {

class Kernel;

class Readiness {
 public:
  static Readiness from_environment(Kernel& kernel);
  // To that socket; nothing for none.
  Readiness(Kernel& kernel, std::optional<Address> socket, std::chrono::microseconds watchdog = {});

  bool is_asked_for() const { return socket_.has_value(); }

  Result<void> ready() const;  // READY=1: also the end of a reload
  // READY=1 by the process that takes over from the one that was started: MAINPID=.
  Result<void> ready_in_its_place() const;
  Result<void> stopping() const;  // STOPPING=1
  // RELOADING=1, which Type=notify-reload wants with the time; `ready` is to follow.
  Result<void> reloading() const;
  // STATUS=: one line, shown by `systemctl status`. Line breaks become blanks.
  Result<void> status(std::string_view line) const;
  Result<void> alive() const;  // WATCHDOG=1

  // How often `alive` is expected (half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises); 0:
  // not at all.
  std::chrono::microseconds watchdog_interval() const { return watchdog_ / 2; }

  // A message of lines of its own, each "NAME=value".
  Result<void> send(std::string_view lines) const;

 private:
  Kernel* kernel_;
  std::optional<Address> socket_;
  std::chrono::microseconds watchdog_;
};

}  // namespace eddy
