// What `eddy load` was asked to do.
#pragma once

#include <eddy/core/reactor.h>
#include <eddy/net/address.h>
#include <eddy/net/source_range.h>
#include <stdint.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "load/mix.h"
#include "load/objective.h"
#include "load/rate_profile.h"
#include "load/schedule.h"
#include "load/tls_options.h"

namespace eddy::load {

// When requests are sent.
enum class Pacing : uint8_t {
  kClosed,    // each answer is followed by the next request
  kConstant,  // by a schedule that knows nothing of the answers: at equal distances
  kPoisson,   // … at distances that are exponentially distributed
  kReplayed,  // … as they were recorded
};

// Which of several workers, each of which has a part of the whole.
struct Share {
  uint32_t index = 0;
  uint32_t of = 1;
};

// What is spoken with the target.
enum class Protocol : uint8_t { kEcho, kHttp, kRedis, kMemcached, kScript, kDatagram };

// It has commands, keys and values.
inline bool is_store(Protocol protocol) {
  return protocol == Protocol::kRedis || protocol == Protocol::kMemcached;
}

struct HttpOptions {
  std::string request;           // as it is sent
  bool is_head = false;          // so that its answer has no body
  unsigned expected_status = 0;  // 0: any below 400
  std::string expected_text;     // in the body; empty: any body
};

// kPing: what costs the store nothing. Redis is asked for the first five alone.
enum class StoreCommand : uint8_t {
  kGet,
  kSet,
  kIncr,
  kDel,
  kPing,
  kGets,
  kAdd,
  kReplace,
  kDecr,
  kTouch,
};
// Of a number, which is not a value.
inline bool counts(StoreCommand command) {
  return command == StoreCommand::kIncr || command == StoreCommand::kDecr;
}

struct StoreOptions {
  std::vector<StoreCommand> commands{StoreCommand::kGet};  // of each kind in the mix
  uint64_t keys = 0;
  double skew = 0;    // Zipf's; 0: all keys alike
  bool fill = false;  // each key once, in turn, in as many requests
};

class Script;

struct LoadOptions {
  std::string target;  // as it was written: "tcp://127.0.0.1:7000"
  Address address;
  Protocol protocol = Protocol::kEcho;
  HttpOptions http{};
  TlsOptions tls{};  // beneath it
  StoreOptions store{};
  std::shared_ptr<const Script> script{};  // of kScript
  Mix mix{};                               // of kinds of requests
  std::vector<std::string> kind_names;     // of a mix of several
  uint32_t threads = 1;
  uint32_t connections = 0;
  uint32_t depth = 0;  // requests in flight on each
  uint64_t size = 0;   // bytes of a request, and of its answer
  Pacing pacing = Pacing::kClosed;
  double rate = 0;  // requests a second, of all connections; 0: kClosed, or not steady
  std::vector<RateSegment> segments;  // of a rate that is not steady
  std::string rate_text;              // … as it was written
  std::optional<Schedule> replay;     // kReplayed
  std::optional<uint64_t> requests;   // the window ends after so many; else by its time alone
  std::chrono::nanoseconds warmup{};
  std::chrono::nanoseconds duration{};
  std::chrono::nanoseconds timeout{};    // of a connect, and of an answer
  std::chrono::nanoseconds think{};      // between an answer and the next request
  std::chrono::nanoseconds spin{};       // before a moment of the schedule
  uint64_t requests_per_connection = 0;  // then it is closed, and another made; 0: for ever
  double churn_per_second = 0;           // connections ended on purpose and opened again
  double connect_rate = 0;               // connections a second, at first; 0: as fast as may be
  SourceRange source{};                  // where connections come from
  uint64_t seed = 0;
  std::vector<int> server_pids;  // whose CPU is told, with that of their children
  std::vector<Objective> fail_if;
  std::optional<Objective> slo;      // of a search for the highest rate
  std::chrono::nanoseconds slice{};  // in which measurements are added up; 0: by the duration
  bool json = false;
  ReactorOptions reactor;
  Share share{};  // of the schedule
};

inline bool is_open_loop(const LoadOptions& options) { return options.pacing != Pacing::kClosed; }

}  // namespace eddy::load
