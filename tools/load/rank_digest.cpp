#include "load/rank_digest.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "load/parcel.h"
#include "load/script.h"

namespace eddy::load {
namespace {

// FNV-1a of 64 bits (Fowler, Noll, Vo), since replayed times and scripts may be long.
class Digest {
 public:
  void add(ParcelNumber auto number) {
    const auto bytes = std::bit_cast<std::array<char, sizeof number>>(number);
    fold({bytes.data(), bytes.size()});
  }
  void add(std::string_view text) {
    add(uint64_t{text.size()});
    fold(text);
  }
  std::string take() const {
    ParcelWriter writer;
    writer.add(hash_);
    return writer.take();
  }

 private:
  void fold(std::string_view bytes) {
    constexpr uint64_t kPrime = 0x100000001b3;
    for (const char byte : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(byte)) * kPrime;
  }

  uint64_t hash_ = 0xcbf29ce484222325;
};

// But for what the URL says: the request line's target, and Host, which comes next.
void add_request(Digest& digest, std::string_view request) {
  constexpr std::string_view kEnd = "\r\n";
  constexpr std::string_view kHost = "Host: ";
  digest.add(request.substr(0, request.find(' ')));
  request.remove_prefix(std::min(request.find(kEnd), request.size()));
  if (request.starts_with(std::string(kEnd) + std::string(kHost))) {
    request.remove_prefix(std::min(request.find(kEnd, kEnd.size()), request.size()));
  }
  digest.add(request);
}

void add_http(Digest& digest, const LoadOptions& options) {
  add_request(digest, options.http.request);
  digest.add(options.http.is_head);
  digest.add(options.http.expected_status);
  digest.add(options.http.expected_text);
  digest.add(options.tls.context.has_value());
  digest.add(options.tls.resume);
}

void add_kinds(Digest& digest, const LoadOptions& options) {
  for (const uint64_t end : options.mix.ends()) digest.add(end);
  for (const std::string& name : options.kind_names) digest.add(name);
  for (const StoreCommand command : options.store.commands) digest.add(command);
  digest.add(options.store.keys);
  digest.add(options.store.skew);
}

void add_script(Digest& digest, const Script& script) {
  for (size_t place = 0; place < script.size(); ++place) {
    const ScriptStep& step = script[place];
    digest.add(step.kind);
    digest.add(step.count);
    for (const ScriptText& text : step.texts) {
      for (const ScriptPart& part : text) {
        digest.add(part.kind);
        digest.add(part.bytes);
        digest.add(part.from);
        digest.add(part.to);
      }
    }
  }
}

void add_schedule(Digest& digest, const LoadOptions& options) {
  digest.add(options.pacing);
  digest.add(options.rate);
  digest.add(options.rate_text);
  digest.add(options.seed);
  digest.add(options.requests.value_or(0));
  digest.add(options.requests.has_value());
  for (const std::chrono::nanoseconds time :
       {options.warmup, options.duration, options.timeout, options.think}) {
    digest.add(time.count());
  }
  if (!options.replay) return;
  for (Arrivals arrivals = options.replay->arrivals(); !arrivals.ended(); arrivals.take()) {
    digest.add(arrivals.next().at.count());
    digest.add(arrivals.next().kind);
  }
}

}  // namespace

std::string rank_digest(const LoadOptions& options) {
  Digest digest;
  digest.add(options.protocol);
  digest.add(options.threads);
  digest.add(options.connections);
  digest.add(options.depth);
  digest.add(options.size);
  digest.add(options.requests_per_connection);
  digest.add(options.churn_per_second);
  digest.add(options.connect_rate);
  add_http(digest, options);
  add_kinds(digest, options);
  if (options.script) add_script(digest, *options.script);
  add_schedule(digest, options);
  for (const Objective& objective : options.fail_if) digest.add(objective.text);
  return digest.take();
}

}  // namespace eddy::load
