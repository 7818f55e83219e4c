// What ranks of one run must have been told alike, and what not.
#include "load/rank_digest.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "load/http_request.h"
#include "load/script.h"

namespace eddy::load {
namespace {

using namespace std::chrono_literals;
using Change = std::pair<const char*, std::function<void(LoadOptions&)>>;

LoadOptions http() {
  return {.protocol = Protocol::kHttp,
          .http = {.request = *wire_format({}, *http::Url::parse("http://localhost/a"))},
          .connections = 8,
          .depth = 1,
          .pacing = Pacing::kConstant,
          .rate = 100};
}

std::string request(const char* url, HttpRequest with) {
  return *wire_format(with, *http::Url::parse(url));
}

std::shared_ptr<const Script> script(const char* text) {
  return std::make_shared<const Script>(*Script::parse(text, "script"));
}

TEST(RankDigest, OptionsThatMakeAnotherLoadDiffer) {
  const std::vector<Change> changes = {
      {"-c", [](LoadOptions& to) { to.connections = 9; }},
      {"--depth", [](LoadOptions& to) { to.depth = 2; }},
      {"-R", [](LoadOptions& to) { to.rate = 101; }},
      {"--arrivals", [](LoadOptions& to) { to.pacing = Pacing::kPoisson; }},
      {"-n", [](LoadOptions& to) { to.requests = 0; }},
      {"-d", [](LoadOptions& to) { to.duration = 1s; }},
      {"--requests-per-connection", [](LoadOptions& to) { to.requests_per_connection = 1; }},
      {"--churn", [](LoadOptions& to) { to.churn_per_second = 1; }},
      {"--connect-rate", [](LoadOptions& to) { to.connect_rate = 1; }},
      {"--method",
       [](LoadOptions& to) { to.http.request = request("http://localhost/a", {.method = "PUT"}); }},
      {"-H",
       [](LoadOptions& to) {
         to.http.request = request("http://localhost/a", {.headers = {"A: 1"}});
       }},
      {"--body",
       [](LoadOptions& to) { to.http.request = request("http://localhost/a", {.body = "b"}); }},
      {"--expect-status", [](LoadOptions& to) { to.http.expected_status = 404; }},
      {"--expect-text", [](LoadOptions& to) { to.http.expected_text = "a"; }},
      {"--tls-resume", [](LoadOptions& to) { to.tls.resume = true; }},
      {"--mix", [](LoadOptions& to) { to.mix = *Mix::make(std::vector{9.0, 1.0}); }},
      {"--mix", [](LoadOptions& to) { to.store.commands = {StoreCommand::kSet}; }},
      {"--keys", [](LoadOptions& to) { to.store.keys = 5; }},
      {"--zipf", [](LoadOptions& to) { to.store.skew = 1; }},
      {"--script", [](LoadOptions& to) { to.script = script("send \"a\"\nexpect \"a\"\n"); }},
      {"--script", [](LoadOptions& to) { to.script = script("send \"b\"\nexpect \"a\"\n"); }},
      {"--replay", [](LoadOptions& to) { to.replay = *Schedule::replay("0\n1\n", "times"); }},
      {"--replay", [](LoadOptions& to) { to.replay = *Schedule::replay("0\n1.1\n", "times"); }},
      {"--fail-if", [](LoadOptions& to) { to.fail_if = {*parse_objective("p99>1ms")}; }}};
  std::vector<std::string> digests = {rank_digest(http())};
  for (const auto& [name, change] : changes) {
    LoadOptions options = http();
    change(options);
    digests.push_back(rank_digest(options));
    for (size_t i = 0; i + 1 < digests.size(); ++i) EXPECT_NE(digests[i], digests.back()) << name;
  }
}

TEST(RankDigest, TheWayToTheServerAndTheMachineMayDiffer) {
  LoadOptions options = http();
  options.target = "http://other:81/b";
  options.address = *Address::parse("127.0.0.1:81");
  options.http.request = request("http://other:81/b", {});
  options.source = *Address::parse("127.0.0.2:0");
  options.spin = 1ms;
  options.json = true;
  options.server_pids = {1};
  EXPECT_EQ(rank_digest(options), rank_digest(http()));
}

}  // namespace
}  // namespace eddy::load
