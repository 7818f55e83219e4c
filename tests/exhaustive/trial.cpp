#include "trial.h"

#include <chrono>
#include <utility>

namespace eddy::test {
namespace {

// Reached only by a failure.
constexpr std::chrono::seconds kLongest{4};

}  // namespace

Trial::Trial(Injector& injector, const ReactorOptions& reactor_options)
    : injector_(injector), options_(reactor_options) {}

// --- The stage

void Trial::stand() { stand(echo_options()); }

void Trial::stand(StreamOptions stream_options) {
  reactor_.emplace(injector_.kernel(), options_);
  server_.emplace(*reactor_, std::move(stream_options));
  listen();
  bystander_ = &connect();
  echo(*bystander_, 1);
  may_fail_ = true;
}

void Trial::stand_cold() {
  reactor_.emplace(injector_.kernel(), options_);
  server_.emplace(*reactor_, echo_options());
  may_fail_ = true;
}

bool Trial::make_reactor() {
  may_fail_ = true;
  eddy([&] { reactor_.emplace(injector_.kernel(), options_); });
  tolerate(!reactor_->error(), "the reactor's set-up");
  return !reactor_->error();
}

void Trial::destroy_reactor() {
  bystander_ = nullptr;
  server_.reset();
  eddy([&] { reactor_.reset(); });
}

void Trial::listen() {
  const auto listening = server_->listen("127.0.0.1:0");
  if (!listening) wrong_ += "listen: " + listening.error().message() + "\n";
}

// --- Acting

void Trial::tolerate(bool succeeded, const char* what) {
  if (!succeeded && !injector_.fired()) wrong_ += std::string(what) + " failed without a fault\n";
}

void Trial::turn(bool sleep) {
  const auto timeout = sleep ? 1ms : 0ms;
  const auto turned = eddy([&] { return reactor_->run_once(timeout); });
  const bool first = !std::exchange(has_turned_, true);
  if (!turned && first) return tolerate(false, "the first turn");
  if (!turned) wrong_ += "a turn failed: " + turned.error().message() + "\n";
}

void Trial::turns(int count) {
  for (int i = 0; i < count; ++i) turn(false);
}

bool Trial::wait_for(const char* what, const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kLongest;
  for (int i = 0; !condition() && wrong_.empty(); ++i) {
    if (std::chrono::steady_clock::now() > deadline) {
      wrong_ += std::string("it never came: ") + what + "\n";
      return false;
    }
    turn(i > 4);
  }
  return wrong_.empty();
}

// --- Connections

Peer& Trial::connect(int receive_buffer_bytes) {
  const auto address = server_->local_address();
  peers_.push_back(address ? Peer::connect_to(*address, receive_buffer_bytes) : Peer());
  return peers_.back();
}

void Trial::echo(Peer& client, size_t bytes) {
  PatternExchange exchange(client, bytes);
  wait_for("an echo", [&] { return exchange.step() || client.send_error != 0; });
  if (!exchange.complete()) lost("a client");
}

void Trial::lost(const char* which) { lost_.emplace_back(which); }

// --- The end

// Whatever has failed, from now on a reactor serves as if nothing had.
void Trial::expect_alive() {
  if (reactor_ && reactor_->error()) reactor_.reset();
  if (!reactor_) reactor_.emplace(injector_.kernel(), options_);
  if (!server_) server_.emplace(*reactor_, echo_options());
  if (!server_->local_address()) listen();
  Peer& second = connect();
  PatternExchange exchange(second, 1000);
  wait_for("a second connection's echo", [&] { return exchange.step(); });
  if (!exchange.complete()) wrong_ += "a second connection has no echo\n";
}

std::string Trial::conclude() {
  may_fail_ = false;
  if (bystander_ != nullptr) echo(*bystander_, 10);
  if (lost_.size() > (injector_.fired() ? 1 : 0)) {
    wrong_ += "connections lost: " + std::to_string(lost_.size()) + "\n";
    for (const std::string& which : lost_) wrong_ += "  " + which + "\n";
  }
  expect_alive();
  peers_.clear();
  server_.reset();
  reactor_.reset();
  return wrong_;
}

}  // namespace eddy::test
