#include "options.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace bench {
namespace {

[[noreturn]] void usage(const std::string& what) {
  std::fprintf(stderr,
               "bench_client: %s; usage: bench_client --port P [--mode tcp|unix|udp|connect|"
               "broadcast|paced] [--conns C] [--size BYTES] [--depth D] [--rate R] [--warmup S] "
               "[--duration S] "
               "[--server-pid PID[,PID...]] [--json]\n",
               what.c_str());
  std::exit(2);
}

template <typename Number>
Number parse(std::string_view name, std::string_view text, Number low, Number high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() ||
      !(value >= low && value <= high)) {
    usage(std::string(name) + " cannot be '" + std::string(text) + "'");
  }
  return value;
}

Mode parse_mode(std::string_view name, std::string_view text) {
  if (text == "tcp") return Mode::kTcp;
  if (text == "unix") return Mode::kUnix;
  if (text == "udp") return Mode::kUdp;
  if (text == "connect") return Mode::kConnect;
  if (text == "broadcast") return Mode::kBroadcast;
  if (text == "paced") return Mode::kPaced;
  usage(std::string(name) + " cannot be '" + std::string(text) + "'");
}

std::vector<int> parse_pids(std::string_view name, std::string_view text) {
  std::vector<int> pids;
  for (;;) {
    const size_t comma = text.find(',');
    pids.push_back(parse(name, text.substr(0, comma), 1, 1 << 30));
    if (comma == std::string_view::npos) return pids;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

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
    if (name == "--mode")
      o.mode = parse_mode(name, value);
    else if (name == "--port")
      o.port = parse(name, value, 1, 65535);
    else if (name == "--conns")
      o.conns = parse(name, value, 1, 1'000'000);
    else if (name == "--size")
      o.size = parse(name, value, uint64_t{1}, uint64_t{1} << 30);
    else if (name == "--depth")
      o.depth = parse(name, value, 1u, 65536u);
    else if (name == "--rate")
      o.rate = parse(name, value, 1.0, 1e7);
    else if (name == "--warmup")
      o.warmup_s = parse(name, value, 0.0, 3600.0);
    else if (name == "--duration")
      o.duration_s = parse(name, value, 0.01, 3600.0);
    else if (name == "--server-pid")
      o.server_pids = parse_pids(name, value);
    else
      usage("unknown argument '" + std::string(name) + "'");
  }
  if (o.port == 0) usage("--port is missing");
  return o;
}

}  // namespace bench
