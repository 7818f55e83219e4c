// A closed-loop load client for echo servers, as cheap as one epoll thread can be, since it shares
// a small machine with the server that it measures.
//
// Every connection keeps `depth` requests of `size` bytes in flight. The bytes of a connection are
// a fixed pattern with a phase of its own, so a lost, doubled, reordered or misdirected piece shows
// as a mismatch: the edges of each read are compared, and every 64th read entirely. What is in
// flight at the end is waited for, so that a server that loses bytes cannot pass.
//
// The client reads the server's CPU clock itself, at the very turns where its window opens and
// closes, so that requests, wall time and CPU time are of one and the same interval.
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr size_t kChunk = 256 * 1024;  // the most that one call reads or writes
constexpr size_t kPeriod = 4093;       // prime: no power of two is a multiple of it
constexpr uint64_t kFullCheckMask = 63;
constexpr uint64_t kDrainNs = 5'000'000'000;
constexpr int kConnsPerSource = 20'000;  // below the 28,232 ports of Linux's default range

struct Options {
  int port = 0;
  int conns = 64;
  uint64_t size = 64;
  uint32_t depth = 1;
  double warmup_s = 0.5;
  double duration_s = 3;
  int server_pid = 0;
  bool json = false;
};

struct Connection {
  int fd = -1;
  uint32_t in_phase = 0;   // position in the pattern of the next byte to come
  uint32_t out_phase = 0;  // and of the next byte to go
  uint32_t oldest = 0;     // slot of the oldest request in flight, below depth
  uint64_t unsent = 0;     // bytes that may be written now
  uint64_t missing = 0;    // bytes until the oldest request is complete
  bool writable = true;
};

// Log-linear: 32 buckets an octave, so a percentile is right within about 3 %.
class Histogram {
 public:
  void record(uint64_t ns) { ++counts_[index(ns)]; }
  void clear() { counts_.fill(0); }
  double percentile_us(double p) const {
    uint64_t total = 0, seen = 0;
    for (uint64_t n : counts_) total += n;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && static_cast<double>(seen) >= p * static_cast<double>(total)) {
        return static_cast<double>(value(i)) / 1000.0;
      }
    }
    return 0;
  }

 private:
  static size_t index(uint64_t ns) {
    if (ns < 32) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 6;
    return size_t{shift + 1} * 32 + ((ns >> shift) - 32);
  }
  static uint64_t value(size_t i) { return i < 32 ? i : (32 + i % 32) << (i / 32 - 1); }
  std::array<uint64_t, 60 * 32> counts_{};
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_client: %s\n", what.c_str());
  std::exit(1);
}

[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t own_cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

// The time on a CPU of every thread of the process: the first field of its schedstat
// (Documentation/scheduler/sched-stats.rst).
uint64_t process_cpu_ns(int pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* dir = opendir(tasks.c_str());
  if (dir == nullptr) fail("the server (process " + std::to_string(pid) + ") is gone");
  uint64_t total = 0;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    if (FILE* file = std::fopen((tasks + "/" + entry->d_name + "/schedstat").c_str(), "r")) {
      unsigned long long ns = 0;
      if (std::fscanf(file, "%llu", &ns) == 1) total += ns;
      std::fclose(file);
    }
  }
  closedir(dir);
  return total;
}

class Client {
 public:
  explicit Client(const Options& options)
      : options_(options),
        pattern_(kPeriod + kChunk),
        input_(kChunk),
        started_(static_cast<size_t>(options.conns) * options.depth) {
    uint32_t x = 2463534242;  // xorshift: bytes without a short period
    for (size_t i = 0; i < kPeriod; ++i) {
      x ^= x << 13, x ^= x >> 17, x ^= x << 5;
      pattern_[i] = static_cast<char>(x >> 11);
    }
    for (size_t i = kPeriod; i < pattern_.size(); ++i) pattern_[i] = pattern_[i - kPeriod];
  }

  void connect_all();
  void run();

 private:
  struct Mark {
    uint64_t wall_ns, server_ns, client_ns, bytes, requests;
  };

  void turn(int timeout_ms);
  void read_some(size_t i);
  void write_some(Connection& c);
  void complete(size_t i, Connection& c, uint64_t bytes);
  void check(Connection& c, size_t n);
  void run_until(uint64_t deadline_ns);
  void drain();
  Mark mark() const;
  void print(const Mark& from, const Mark& to) const;

  Options options_;
  std::vector<char> pattern_;
  std::vector<char> input_;
  std::vector<uint64_t> started_;  // when each request in flight was released, by slot
  std::vector<Connection> connections_;
  Histogram latency_;
  int epoll_ = -1;
  uint64_t bytes_ = 0;
  uint64_t requests_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t reads_ = 0;
  bool draining_ = false;
};

void Client::connect_all() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  connections_.resize(static_cast<size_t>(options_.conns));
  sockaddr_in server{};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(options_.port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int one = 1;
  for (size_t i = 0; i < connections_.size(); ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail_errno("socket for connection " + std::to_string(i));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (options_.conns > kConnsPerSource) {
      sockaddr_in source = server;
      source.sin_port = 0;
      source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<uint32_t>(i) / kConnsPerSource);
      setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
      if (bind(fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0) fail_errno("bind");
    }
    if (connect(fd, reinterpret_cast<sockaddr*>(&server), sizeof server) != 0) {
      fail_errno("connection " + std::to_string(i) + " to port " + std::to_string(options_.port));
    }
    connections_[i] = {.fd = fd,
                       .in_phase = static_cast<uint32_t>(i * 1009 % kPeriod),
                       .out_phase = static_cast<uint32_t>(i * 1009 % kPeriod),
                       .missing = options_.size};
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = i}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
}

void Client::write_some(Connection& c) {
  while (c.unsent > 0 && c.writable) {
    const size_t want = std::min<uint64_t>(c.unsent, kChunk);
    const ssize_t n = send(c.fd, pattern_.data() + c.out_phase, want, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) fail_errno("send");
    c.writable = n == static_cast<ssize_t>(want);
    if (n < 0) return;
    c.unsent -= static_cast<uint64_t>(n);
    c.out_phase = static_cast<uint32_t>((c.out_phase + static_cast<size_t>(n)) % kPeriod);
  }
}

void Client::check(Connection& c, size_t n) {
  const char* expected = pattern_.data() + c.in_phase;
  const size_t edge = std::min<size_t>(n, 8);
  const bool same = (++reads_ & kFullCheckMask) == 0
                        ? std::memcmp(input_.data(), expected, n) == 0
                        : std::memcmp(input_.data(), expected, edge) == 0 &&
                              std::memcmp(input_.data() + n - edge, expected + n - edge, edge) == 0;
  if (!same) fail("the server sent back other bytes than it was sent");
  c.in_phase = static_cast<uint32_t>((c.in_phase + n) % kPeriod);
}

void Client::complete(size_t i, Connection& c, uint64_t bytes) {
  bytes_ += bytes;
  if (bytes < c.missing) {
    c.missing -= bytes;
    return;
  }
  const uint64_t now = now_ns();
  while (bytes >= c.missing) {
    bytes -= c.missing;
    c.missing = options_.size;
    uint64_t& started = started_[i * options_.depth + c.oldest];
    latency_.record(now - started);
    ++requests_;
    if (draining_) {
      if (--in_flight_ == 0) return;
    } else {
      started = now;
      c.unsent += options_.size;
    }
    if (++c.oldest == options_.depth) c.oldest = 0;
  }
  c.missing -= bytes;
}

void Client::read_some(size_t i) {
  Connection& c = connections_[i];
  for (;;) {
    const ssize_t n = recv(c.fd, input_.data(), kChunk, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail_errno("receive");
    if (n == 0) fail("the server closed a connection");
    check(c, static_cast<size_t>(n));
    complete(i, c, static_cast<uint64_t>(n));
    write_some(c);
    if (n < static_cast<ssize_t>(kChunk)) return;
  }
}

void Client::turn(int timeout_ms) {
  epoll_event events[512];
  const int n = epoll_wait(epoll_, events, 512, timeout_ms);
  for (int k = 0; k < n; ++k) {
    Connection& c = connections_[events[k].data.u64];
    if (events[k].events & EPOLLOUT) c.writable = true;
    if (events[k].events & ~static_cast<uint32_t>(EPOLLOUT)) read_some(events[k].data.u64);
    write_some(c);
  }
}

void Client::run_until(uint64_t deadline_ns) {
  for (uint64_t now = now_ns(); now < deadline_ns; now = now_ns()) {
    turn(static_cast<int>((deadline_ns - now) / 1'000'000 + 1));
  }
}

Client::Mark Client::mark() const {
  const uint64_t server = options_.server_pid > 0 ? process_cpu_ns(options_.server_pid) : 0;
  return {now_ns(), server, own_cpu_ns(), bytes_, requests_};
}

void Client::drain() {
  draining_ = true;
  in_flight_ = static_cast<uint64_t>(options_.conns) * options_.depth;
  const uint64_t deadline = now_ns() + kDrainNs;
  while (in_flight_ > 0 && now_ns() < deadline) turn(100);
  if (in_flight_ > 0) {
    fail(std::to_string(in_flight_) + " requests were never answered whole");
  }
}

void Client::run() {
  const uint64_t start = now_ns();
  for (uint64_t& t : started_) t = start;
  for (Connection& c : connections_) {
    c.unsent = options_.size * options_.depth;
    write_some(c);
  }
  run_until(start + static_cast<uint64_t>(options_.warmup_s * 1e9));
  latency_.clear();
  const Mark from = mark();
  run_until(from.wall_ns + static_cast<uint64_t>(options_.duration_s * 1e9));
  const Mark to = mark();
  if (to.bytes == from.bytes) fail("nothing came back in the measured window");
  print(from, to);
  drain();
}

void Client::print(const Mark& from, const Mark& to) const {
  const double seconds = static_cast<double>(to.wall_ns - from.wall_ns) / 1e9;
  const double bytes = static_cast<double>(to.bytes - from.bytes);
  const double requests = bytes / static_cast<double>(options_.size);
  const double server = static_cast<double>(to.server_ns - from.server_ns);
  const double client = static_cast<double>(to.client_ns - from.client_ns);
  if (options_.json) {
    std::printf(
        "{\"seconds\":%.6f,\"bytes\":%.0f,\"requests\":%.3f,\"server_cpu_ns\":%.0f,"
        "\"client_cpu_ns\":%.0f,\"p50_us\":%.3f,\"p90_us\":%.3f,\"p99_us\":%.3f,"
        "\"p999_us\":%.3f}\n",
        seconds, bytes, requests, server, client, latency_.percentile_us(0.5),
        latency_.percentile_us(0.9), latency_.percentile_us(0.99), latency_.percentile_us(0.999));
    return;
  }
  std::printf(
      "%.0f requests/s, %.1f MB/s in %.3f s; p50 %.1f us, p99 %.1f us; client on its core "
      "%.0f %% of the time\n",
      requests / seconds, bytes / seconds / 1e6, seconds, latency_.percentile_us(0.5),
      latency_.percentile_us(0.99), client / seconds / 1e7);
  if (options_.server_pid > 0) {
    std::printf("server: %.3f us of CPU a request, on a core %.0f %% of the time\n",
                server / requests / 1e3, server / seconds / 1e7);
  }
}

[[noreturn]] void usage(const std::string& what) {
  std::fprintf(stderr,
               "bench_client: %s; usage: bench_client --port P [--conns C] [--size BYTES] "
               "[--depth D] [--warmup S] [--duration S] [--server-pid PID] [--json]\n",
               what.c_str());
  std::exit(2);
}

template <typename Number>
void parse(std::string_view name, std::string_view text, Number low, Number high, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || !(out >= low && out <= high)) {
    usage(std::string(name) + " cannot be '" + std::string(text) + "'");
  }
}

Options parse_options(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--json") {
      o.json = true;
      continue;
    }
    if (i + 1 == argc) usage("'" + std::string(name) + "' is unknown or lacks its value");
    const std::string_view value = argv[++i];
    if (name == "--port")
      parse(name, value, 1, 65535, o.port);
    else if (name == "--conns")
      parse(name, value, 1, 1'000'000, o.conns);
    else if (name == "--size")
      parse(name, value, uint64_t{1}, uint64_t{1} << 30, o.size);
    else if (name == "--depth")
      parse(name, value, 1u, 65536u, o.depth);
    else if (name == "--warmup")
      parse(name, value, 0.0, 3600.0, o.warmup_s);
    else if (name == "--duration")
      parse(name, value, 0.01, 3600.0, o.duration_s);
    else if (name == "--server-pid")
      parse(name, value, 1, 1 << 30, o.server_pid);
    else
      usage("unknown argument '" + std::string(name) + "'");
  }
  if (o.port == 0) usage("--port is missing");
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  Client client(options);
  client.connect_all();
  client.run();
  std::fflush(stdout);
  _exit(0);  // the kernel closes thousands of sockets as fast without destructors
}
