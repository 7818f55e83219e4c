#include <eddy/core/reactor.h>
#include <eddy/core/spawn.h>
#include <eddy/net/process.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

namespace eddy {

std::string ExitStatus::to_string() const {
  if (!known) return "ended, and somebody else has taken its status";
  if (signal == 0) return "ended with status " + std::to_string(code);
  const char* name = sigdescr_np(signal);
  return "was ended by signal " + std::to_string(signal) + " (" +
         (name != nullptr ? name : "unknown") + (dumped_core ? ", core dumped)" : ")");
}

// Shared by the handles and, while the child runs, by the watch of its end.
class Process::State {
 public:
  State(Kernel& kernel, InlineFunction<void(const ExitStatus&)> on_exit)
      : kernel_(kernel), on_exit_(std::move(on_exit)) {}
  ~State() {
    if (pidfd < 0) return;
    siginfo_t info = {};
    kernel_.wait_for_child(pidfd, &info, WNOHANG);  // it may have ended by now
    kernel_.close(pidfd);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The pidfd is readable.
  void on_end() {
    siginfo_t info = {};
    const int result = kernel_.wait_for_child(pidfd, &info, WNOHANG);
    if (result == 0 || result == -EINTR) return;  // not yet
    watch.close();
    kernel_.close(std::exchange(pidfd, -1));
    if (on_exit_) on_exit_(result > 0 ? status_of(info) : ExitStatus{.known = false});
  }

  // It has begun, and cannot be driven: nobody is to hear of it.
  void abort() {
    on_exit_ = {};
    kernel_.send_signal_to_child(pidfd, SIGKILL);
    if (watch.is_open()) return watch.set_keeps_alive(false);
    siginfo_t info = {};
    kernel_.wait_for_child(pidfd, &info, 0);
  }

  Result<void> kill(int signal) const {
    const int failed = pidfd < 0 ? -ESRCH : kernel_.send_signal_to_child(pidfd, signal);
    if (failed < 0) return failure(failed, "pidfd_send_signal", "process " + std::to_string(id));
    return {};
  }

  int pidfd = -1;  // until it has ended
  int id = 0;
  Watch watch;
  std::array<Stream, 3> streams;

 private:
  static ExitStatus status_of(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {.code = info.si_status};
    return {.signal = info.si_status, .dumped_core = info.si_code == CLD_DUMPED};
  }

  Kernel& kernel_;
  InlineFunction<void(const ExitStatus&)> on_exit_;
};

// What is made on the way to a child: whatever is left over is closed.
class ProcessStart {
 public:
  ProcessStart(Reactor& reactor, ProcessOptions& options)
      : reactor_(reactor), kernel_(reactor.kernel()), options_(options) {}
  ~ProcessStart() {
    for (const int fd : to_close_) kernel_.close(fd);
    for (const auto& [number, fd] : parents_) kernel_.close(fd);
  }
  ProcessStart(const ProcessStart&) = delete;
  ProcessStart& operator=(const ProcessStart&) = delete;

  Result<Process> run();

 private:
  Result<void> check() const;
  Result<int> keep(int fd, const char* call, const std::string& subject);
  Result<void> make_ends();
  Result<void> make_end(int number, ChildEnd& end);
  Result<void> make_pipe(int number);
  Result<void> spawn(Process::State& state);
  Result<void> adopt_pipes(Process::State& state);

  Reactor& reactor_;
  Kernel& kernel_;
  ProcessOptions& options_;
  std::vector<int> to_close_;                 // the child's
  std::vector<std::pair<int, int>> parents_;  // ends of pipes, by the child's number
  std::vector<ChildDescriptor> descriptors_;
  int directory_ = -1;
};

namespace {

// The array of pointers that exec takes.
std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool has_zero_byte(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.contains('\0')) return true;
  }
  return false;
}

}  // namespace

Result<void> ProcessStart::check() const {
  const auto refuse = [&](const char* why) {
    return failure(-EINVAL, "Process::start", options_.command.empty() ? "" : options_.command[0],
                   why);
  };
  if (options_.command.empty() || options_.command[0].empty()) return refuse("no program is named");
  if (has_zero_byte(options_.command) || options_.directory.contains('\0') ||
      (options_.environment && has_zero_byte(*options_.environment))) {
    return refuse("there is a NUL byte in what the child is given");
  }
  std::vector<bool> taken;
  for (const auto& [number, source] : options_.inherit) {
    constexpr int kMost = 1'023;
    if (number <= STDERR_FILENO || number > kMost) return refuse("inherit: from 3 to 1023");
    const auto place = static_cast<size_t>(number);
    taken.resize(std::max(taken.size(), place + 1));
    if (taken[place]) return refuse("inherit: a number is there twice");
    taken[place] = true;
  }
  return {};
}

// Closed when all is over: a failure if there is no descriptor.
Result<int> ProcessStart::keep(int fd, const char* call, const std::string& subject) {
  if (fd < 0) return failure(fd, call, subject);
  to_close_.push_back(fd);
  return fd;
}

Result<void> ProcessStart::make_ends() {
  // No descriptor is lost for want of memory.
  to_close_.reserve(4);
  parents_.reserve(3);
  ChildEnd* const ends[] = {&options_.input, &options_.output, &options_.errors};
  for (int number = 0; number < 3; ++number) {
    if (auto made = make_end(number, *ends[number]); !made) return made;
  }
  for (const auto& [number, source] : options_.inherit) descriptors_.push_back({number, source});
  if (options_.directory.empty()) return {};
  const auto opened = keep(kernel_.open(options_.directory.c_str(), O_PATH | O_DIRECTORY, 0),
                           "open", options_.directory);
  if (!opened) return std::unexpected(opened.error());
  directory_ = *opened;
  return {};
}

Result<void> ProcessStart::make_end(int number, ChildEnd& end) {
  if (std::holds_alternative<StreamOptions>(end.what_)) return make_pipe(number);
  if (const int* source = std::get_if<int>(&end.what_)) {
    descriptors_.push_back({number, *source});
    return {};
  }
  const auto opened = keep(kernel_.open("/dev/null", O_RDWR, 0), "open", "/dev/null");
  if (!opened) return std::unexpected(opened.error());
  descriptors_.push_back({number, *opened});
  return {};
}

Result<void> ProcessStart::make_pipe(int number) {
  int ends[2] = {-1, -1};
  if (const int failed = kernel_.pipe(ends, O_CLOEXEC); failed < 0) return failure(failed, "pipe2");
  const bool is_input = number == STDIN_FILENO;
  to_close_.push_back(ends[is_input ? 0 : 1]);
  parents_.emplace_back(number, ends[is_input ? 1 : 0]);
  descriptors_.push_back({number, to_close_.back()});
  return {};
}

Result<void> ProcessStart::spawn(Process::State& state) {
  const std::vector<char*> arguments = pointers_to(options_.command);
  std::vector<char*> environment;
  if (options_.environment) environment = pointers_to(*options_.environment);
  state.pidfd = kernel_.spawn({.program = arguments[0],
                               .arguments = arguments.data(),
                               .environment = options_.environment ? environment.data() : environ,
                               .directory = directory_,
                               .descriptors = descriptors_},
                              &state.id);
  if (state.pidfd >= 0) return {};
  return failure(state.pidfd, "spawn", options_.command[0]);
}

Result<void> ProcessStart::adopt_pipes(Process::State& state) {
  ChildEnd* const ends[] = {&options_.input, &options_.output, &options_.errors};
  while (!parents_.empty()) {
    const auto [number, fd] = parents_.back();
    auto stream = adopt(reactor_, fd, std::get<StreamOptions>(std::move(ends[number]->what_)));
    if (!stream) return std::unexpected(stream.error());
    state.streams[static_cast<size_t>(number)] = *stream;
    parents_.pop_back();
  }
  return {};
}

Result<Process> ProcessStart::run() {
  if (auto good = check(); !good) return std::unexpected(good.error());
  auto state = std::make_shared<Process::State>(kernel_, std::move(options_.on_exit));
  if (auto made = make_ends(); !made) return std::unexpected(made.error());
  if (auto spawned = spawn(*state); !spawned) return std::unexpected(spawned.error());
  auto watch =
      reactor_.watch(state->pidfd, Interest::kReadable, [state](Interest) { state->on_end(); });
  Result<void> ready;
  if (watch) {
    state->watch = *watch;
    ready = adopt_pipes(*state);
  } else {
    ready = std::unexpected(watch.error());
  }
  if (ready) return Process(std::move(state));
  state->abort();
  return std::unexpected(ready.error());
}

// --- The handle

Result<Process> Process::start(Reactor& reactor, ProcessOptions options) {
  if (reactor.error()) return std::unexpected(*reactor.error());
  try {
    return ProcessStart(reactor, options).run();
  } catch (const std::bad_alloc&) {
    return failure(-ENOMEM, "Process::start");
  }
}

bool Process::is_running() const { return state_ != nullptr && state_->pidfd >= 0; }
pid_t Process::id() const { return state_ == nullptr ? 0 : state_->id; }
Stream Process::input() const { return state_ == nullptr ? Stream() : state_->streams[0]; }
Stream Process::output() const { return state_ == nullptr ? Stream() : state_->streams[1]; }
Stream Process::errors() const { return state_ == nullptr ? Stream() : state_->streams[2]; }

Result<void> Process::kill(int signal) const {
  return state_ == nullptr ? failure(-ESRCH, "pidfd_send_signal") : state_->kill(signal);
}

void Process::set_keeps_alive(bool keeps) const {
  if (is_running()) state_->watch.set_keeps_alive(keeps);
}

}  // namespace eddy
