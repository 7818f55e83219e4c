// A simulated world: hosts, a network between them, a clock of its own, and a seed.
//
// What it is: a kernel to run reactors on, in place of Linux. Servers and clients, their
// connections and their time-outs run in one thread, in virtual time, with whatever goes wrong on
// the way; and the same seed makes the same things happen again.
//
//   eddy::sim::World world(seed);
//   auto server_host = world.host("10.0.0.1");
//   auto client_host = world.host("10.0.0.2");
//   eddy::Reactor server(server_host), client(client_host);
//   …                                           // as on Linux
//   world.run_for(10s);                         // takes milliseconds
//   world.partition(server_host, client_host);
//
// The world drives the turns of all reactors on its hosts. `Reactor::run` and `run_once` may be
// called as well: while they would sleep, everybody else goes on. A callback must not wait for
// another reactor in a loop of its own.
//
// What is real: every line of the reactor, its backends and what is built on them. What is not: the
// kernel and the network, which are a model (docs/simulation.md tells what it leaves out).
//
// Ownership: the world owns its hosts, and outlives the reactors on them: a reactor that is still
// there when its world ends stops the program, with the host's name. Threads: one.
//
// Failure: an impossible world is told by `error`: the first mistake is kept, and from then on
// nothing runs.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/kernel.h>
#include <eddy/core/time.h>
#include <eddy/sim/faults.h>
#include <eddy/sim/uring_limits.h>
#include <stdint.h>
#include <stdio.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::sim {

class HostKernel;
class Simulation;
class World;

// One direction between two hosts.
struct LinkOptions {
  std::chrono::nanoseconds latency{std::chrono::microseconds(100)};
  std::chrono::nanoseconds jitter{0};  // added to the latency, from nothing to this much
  uint64_t bytes_per_second = 0;       // 0: as much as comes
  double loss = 0;                     // of datagrams, from 0 to 1: TCP repairs its own
};

// A name that the world's name server knows.
struct NameOptions {
  std::chrono::nanoseconds latency{std::chrono::milliseconds(2)};
  int failure = 0;        // an EAI_ value (getaddrinfo(3)) in place of the answer
  std::string canonical;  // empty: the name itself
};

// A host of a world. A handle: it may be copied, and is good for as long as the world.
class Host {
 public:
  // What a Reactor takes, and what plain system calls go to.
  Kernel& kernel() const;
  operator Kernel&() const { return kernel(); }  // NOLINT: a reactor is made on a host
  const std::string& address() const;

  // Its on_signal callbacks for that signal hear of it. Without any, nothing happens: kill() is for
  // what ends a process.
  void raise(int signal_number) const;
  // The reactors that it has make no turns for so long, as a process that was stopped; a longer
  // stall that is under way goes on.
  void stall(std::chrono::nanoseconds time) const;
  // The process ends at once: the kernel closes what it had open, its reactors make no turn again
  // and call nothing back, and what they ask of the kernel fails (ESRCH: where one waits in `run`,
  // that returns 1). Destroy them, and what is on them, before `restart`: their descriptors'
  // numbers are the next process's.
  void kill() const;
  // Another process of that host, which has nothing open: make a new Reactor.
  void restart() const;
  // The effective user of what it does from now on, as SO_PEERCRED tells it; root at first. Nothing
  // else depends on it.
  void set_user(uint32_t user) const;
  // RLIMIT_NOFILE.
  void set_descriptor_limit(int limit) const;
  int open_descriptors() const;
  void set_uring_limits(const UringLimits& limits) const;
  // net.ipv4.tcp_wmem and tcp_rmem: half of it is for bytes. 0 is Linux's own.
  void set_socket_buffers(int send_bytes, int receive_bytes) const;
  // A file's whole content from now on, and what it is; there are no directories.
  void write_file(const std::string& path, std::string_view bytes) const;
  std::optional<std::string> read_file(const std::string& path) const;
  // pipe2(2) and dup(2), for what a program is handed.
  int pipe(int descriptors[2], int flags) const;
  int duplicate(int fd) const;
  // For what stands for a blocking call, in work that a WorkPool does: it takes so long. The answer
  // comes later by so much.
  void spend(std::chrono::nanoseconds time) const;

  bool operator==(const Host&) const = default;

 private:
  friend class World;
  explicit Host(HostKernel* kernel) : kernel_(kernel) {}
  HostKernel* kernel_;
};

class World {
 public:
  explicit World(uint64_t seed);
  // With the choices that the bytes say, for a fuzzer: sim/tape.h.
  explicit World(std::span<const uint8_t> tape);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  uint64_t seed() const;
  TimePoint now() const;
  // Why nothing runs: a host without an address or with another's, a negative latency.
  const std::optional<Error>& error() const { return error_; }

  // --- What it is made of
  // "10.0.0.1" or "fd00::1". On each host 127.0.0.1 and ::1 are itself.
  Host host(std::string_view address);
  // A name and its addresses, in the order in which every host gets them (getaddrinfo(3)). Said
  // again, it is what is said last. "localhost" is there, and a name that is not takes as long as
  // one that is.
  void name(std::string_view name, const std::vector<std::string>& addresses,
            const NameOptions& options = {});
  // Of hosts on one machine it is nothing, of others 100 µs, if nobody says otherwise.
  void link(const Host& from, const Host& to, const LinkOptions& options);

  // --- What happens to it
  // What is sent between them from now on, either way, does not arrive until `heal`: bytes wait,
  // datagrams are lost. What was on its way arrives.
  void partition(const Host& a, const Host& b);
  // Nothing passes in this direction for so long.
  void clog(const Host& from, const Host& to, std::chrono::nanoseconds time);
  // Every link is open again, and no more faults strike.
  void heal();
  // A connection is broken: both sides see a reset. False: it is none.
  bool reset(const Host& host, int descriptor);
  template <typename Connection>  // a Stream, say
  bool reset(const Connection& connection) {
    if (!connection.is_open()) return false;
    return reset_on(connection.reactor().kernel(), connection.descriptor());
  }
  // The wall clock is set, forward or back; the monotonic one goes on as it did.
  void jump_wall_clock(std::chrono::nanoseconds by);
  // Off at first.
  Faults& faults();
  // A number from 0 to bound - 1, of this world's chance: for who wants to vary a test by its seed.
  uint64_t draw(uint64_t bound);

  // --- Running
  void run_for(std::chrono::nanoseconds time);
  // Until the condition holds, looked at after every step; false if it does not within the limit:
  // `describe` then tells what everybody waits for.
  bool run_until(const std::function<bool()>& condition,
                 std::chrono::nanoseconds limit = std::chrono::hours(1));

  // No more than so many events: then whatever waits ends as in a deadlock, and says where
  // everybody is. For a test that might make two hosts talk for ever.
  void limit_events(uint64_t most);

  // --- Looking
  // The virtual time, the seed, and what each host waits for. Reactor::run prints it, and ends with
  // EDEADLK, when nothing will ever happen again.
  std::string describe() const;
  // Of everything that has happened: equal for equal seeds.
  uint64_t trace_hash() const;
  uint64_t events() const;
  // From now on, a line for each event.
  void print_trace(FILE* out);
  // The first thing that no correct program makes the kernel see: empty if there was none.
  const std::string& violation() const;
  Simulation& simulation() { return *simulation_; }

 private:
  explicit World(std::unique_ptr<Simulation> simulation);
  bool reset_on(const Kernel& kernel, int descriptor);
  bool owns(const char* call, const Host& a, const Host& b);
  void fail(Error error);

  std::unique_ptr<Simulation> simulation_;
  std::vector<std::unique_ptr<HostKernel>> hosts_;
  std::optional<Error> error_;
};

}  // namespace eddy::sim
