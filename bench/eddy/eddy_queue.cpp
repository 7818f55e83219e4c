// A server whose response times are known: what a load generator says of it can be held against
// what must come out.
//
//   eddy_queue PORT delay|md1|mm1|slow MEAN_US SEED
//
// delay: it answers each request so long after it came. slow: it does so with one of 200, and
// answers the others at once. md1, mm1: one after the other, in the order of their coming, each of
// which takes that time, or an exponentially distributed one of that mean. It polls and never
// sleeps, so that it is as late as a turn of its loop takes at the most.
//
// A request is 64 bytes, which are sent back, or the head of an HTTP request.
#include <eddy/core/reactor.h>
#include <eddy/net/server.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "program.h"

namespace {

using std::chrono::nanoseconds;

constexpr size_t kRequestBytes = 64;

constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
constexpr uint64_t kSlowOneOf = 200;

enum class Model { kDelay, kSlow, kConstant, kExponential };

class Service {
 public:
  Service(Model model, double mean_ns, uint64_t seed)
      : model_(model), mean_ns_(mean_ns), chance_(seed) {}

  // When the answer to a request that has come now is to go.
  eddy::TimePoint finish(eddy::TimePoint now) {
    if (model_ == Model::kSlow && ++count_ % kSlowOneOf != 0) return now;
    const double times = model_ == Model::kExponential ? exponential_(chance_) : 1;
    const auto work = nanoseconds(std::llround(mean_ns_ * times));
    if (model_ == Model::kDelay || model_ == Model::kSlow) return now + work;
    free_at_ = std::max(free_at_, now) + work;
    return free_at_;
  }

 private:
  const Model model_;
  const double mean_ns_;
  std::mt19937_64 chance_;
  std::exponential_distribution<double> exponential_;
  eddy::TimePoint free_at_;
  uint64_t count_ = 0;
};

struct Session {
  std::string coming;  // a request that is not whole

  // The answer to the next request, if it is there; then it is taken.
  std::string take() {
    if (!coming.starts_with("GET")) {
      if (coming.size() < kRequestBytes) return {};
      std::string echo = coming.substr(0, kRequestBytes);
      coming.erase(0, kRequestBytes);
      return echo;
    }
    const size_t end = coming.find(kEndOfHead);
    if (end == std::string::npos) return {};
    coming.erase(0, end + kEndOfHead.size());
    return std::string(kResponse);
  }
};

constexpr std::pair<std::string_view, Model> kModels[] = {{"delay", Model::kDelay},
                                                          {"slow", Model::kSlow},
                                                          {"md1", Model::kConstant},
                                                          {"mm1", Model::kExponential}};

template <typename Number>
bool parse(std::string_view text, Number& number) {
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc{} && read.ptr == end;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc == 5 ? argv[2] : "";
  const auto* const model =
      std::ranges::find(kModels, name, &std::pair<std::string_view, Model>::first);
  unsigned mean_us = 0;
  uint64_t seed = 0;
  if (model == std::end(kModels) || !parse(argv[3], mean_us) || !parse(argv[4], seed)) {
    std::fprintf(stderr, "eddy_queue: usage: eddy_queue PORT delay|slow|md1|mm1 MEAN_US SEED\n");
    return 2;
  }
  Service service(model->second, mean_us * 1e3, seed);
  eddy::Reactor reactor({.spin = std::chrono::hours(1)});
  eddy::Server server(reactor, {.on_data =
                                    [&](eddy::Stream& client, const eddy::Slice& bytes) {
                                      auto& session = client.state<Session>();
                                      session.coming += bytes.view();
                                      for (std::string text; !(text = session.take()).empty();) {
                                        auto answer = [client, text = std::move(text)]() mutable {
                                          if (client.is_open()) client.send(text);
                                        };
                                        reactor.start_timer_at(service.finish(reactor.now()),
                                                               std::move(answer));
                                      }
                                    },
                                .state = eddy::state_of<Session>()});
  return bench::serve(reactor, server, std::string("127.0.0.1:") + argv[1]);
}
