// Child processes: started, fed and read through pipes, and waited for, without blocking the loop.
//
// What it is: `Process::start` makes a child by posix_spawn(3). Its standard descriptors are what
// the options say: nothing (/dev/null), a copy of one of this process's, or a pipe whose other end
// is a Stream here. Its end is learnt from a pidfd in the loop (pidfd_open(2)), so there is no
// SIGCHLD, no other child is ever waited for, and a signal never goes to a process that has got the
// number of one that has ended.
//
//   auto child = Process::start(reactor, {
//       .command = {"sort", "-u"},
//       .input = ChildEnd::pipe({}),
//       .output = ChildEnd::pipe({.on_data = [](Stream&, Slice bytes) { … }}),
//       .on_exit = [](const ExitStatus& status) { … }});
//   if (child) child->input().send("b\na\n"), child->input().shutdown_write();
//
// The child has the descriptors that the options name and no others, whichever this process has
// forgotten to make close-on-exec. It begins with no signal blocked and none ignored (but for 32
// and 33, which are the C library's).
//
// Errors: a program that cannot be executed is told by `start`, with its name (ENOENT, EACCES), not
// by an exit status.
//
// Ownership: `Process` is a handle; copies name the same child. Destroying it neither ends the
// child nor silences `on_exit`, and the child is reaped all the same: it leaves no zombie. While it
// runs, it keeps `Reactor::run` from returning, unless told otherwise. A reactor that goes first
// does not end its children; those that end after it are zombies until this process ends. The
// program must neither ignore SIGCHLD nor wait for any child (waitpid(2) of -1): then the status is
// lost, which on_exit tells.
//
// Threads: the reactor's alone. A simulated host has no processes: ENOSYS.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/inline_function.h>
#include <eddy/net/stream.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace eddy {

class Reactor;

// How a child ended (waitid(2)).
struct ExitStatus {
  bool known = true;  // false: somebody else has waited for it
  int code = 0;       // what it gave to exit(3), if `signal` is 0
  int signal = 0;     // what ended it
  bool dumped_core = false;

  bool success() const { return known && code == 0 && signal == 0; }
  // "ended with status 1", "was ended by signal 9 (Killed)"
  std::string to_string() const;
  bool operator==(const ExitStatus&) const = default;
};

// What one of the child's standard descriptors is.
class ChildEnd {
 public:
  static ChildEnd nothing() { return {}; }  // /dev/null
  // A copy of a descriptor of this process, which stays this process's.
  static ChildEnd copy_of(int descriptor) { return ChildEnd(descriptor); }
  // A pipe, whose other end is a Stream with these options. Of the child's input it can only be
  // written to, of its output only be read.
  static ChildEnd pipe(StreamOptions options) { return ChildEnd(std::move(options)); }

 private:
  friend class ProcessStart;
  ChildEnd() = default;
  explicit ChildEnd(int descriptor) : what_(descriptor) {}
  explicit ChildEnd(StreamOptions options) : what_(std::move(options)) {}
  std::variant<std::monostate, int, StreamOptions> what_;
};

struct ProcessOptions {
  // The program and its arguments. A program without a slash is looked for in this process's PATH.
  std::vector<std::string> command{};
  // "NAME=value" each. Nothing: this process's environment.
  std::optional<std::vector<std::string>> environment{};
  std::string directory{};  // empty: this process's
  ChildEnd input = ChildEnd::nothing();
  ChildEnd output = ChildEnd::copy_of(1);
  ChildEnd errors = ChildEnd::copy_of(2);
  // Descriptors above 2: a number of the child's, and the one of this process that it is a copy of.
  std::vector<std::pair<int, int>> inherit{};
  // Once, when it has ended. What it has written may still arrive on its pipes after that.
  InlineFunction<void(const ExitStatus&)> on_exit{};
};

class Process {
 public:
  Process() = default;
  static Result<Process> start(Reactor& reactor, ProcessOptions options);

  bool is_running() const;
  pid_t id() const;
  // Stale where the end is no pipe.
  Stream input() const;
  Stream output() const;
  Stream errors() const;
  // Sends a signal: SIGTERM, say. ESRCH once it has ended.
  Result<void> kill(int signal) const;
  // Whether it keeps `Reactor::run` from returning; it does at first.
  void set_keeps_alive(bool keeps) const;

 private:
  friend class ProcessStart;
  class State;
  explicit Process(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace eddy
