// The fixture of suites about the resolver: one on a kernel whose look-ups fail or wait as the test
// says, and its answers in words.
#pragma once

#include <eddy/core/faulty_kernel.h>
#include <eddy/net/resolver.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "gate.h"
#include "reactor_test.h"

namespace eddy::test {

using Texts = std::vector<std::string>;

inline Texts texts_of(const std::vector<Address>& addresses) {
  Texts texts;
  for (const Address& address : addresses) texts.push_back(address.to_string());
  return texts;
}

class ResolverTest : public ReactorTest {
 public:
  Kernel& kernel() override { return *faulty_; }
  FaultPlan& plan() {
    reactor();
    return faulty_->plan();
  }
  Resolver& resolver(const ResolverOptions& options = {}) {
    if (!resolver_) resolver_.emplace(reactor(), options);
    return *resolver_;
  }
  void destroy_resolver() { resolver_.reset(); }

  // The answer to one question, in words: the addresses and the canonical name, or what failed.
  Texts ask(std::string_view host, std::string_view service = "7000",
            const ResolveHints& hints = {}) {
    std::optional<Texts> answer;
    const auto id =
        resolver().resolve(host, service, hints, [&](const Result<ResolvedName>& found) {
          if (!found) {
            code = found.error().code();
            answer = {found.error().message()};
            return;
          }
          answer = texts_of(found->addresses);
          if (!found->canonical_name.empty()) answer->push_back(found->canonical_name);
        });
    if (!id) return {"refused: " + id.error().message()};
    EXPECT_FALSE(answer) << "inside the call";
    EXPECT_TRUE(run_until([&] { return answer.has_value(); }));
    return answer.value_or(Texts());
  }

  void advance(std::chrono::nanoseconds time) { faulty_->advance(time); }

  // Every look-up waits at the gate, and then fails like this: no name server is asked by tests.
  void hold(int result) {
    plan().decide(SystemCall::kGetaddrinfo, [gate = gate, result](const FaultPlan::Seen&) {
      gate->pass();
      return std::optional<int64_t>(result);
    });
  }
  Resolver::OnResolved count() {
    return [this](const Result<ResolvedName>& found) {
      ++answered;
      if (!found) code = found.error().code();
    };
  }
  bool is_idle() {
    const WorkPoolStats threads = resolver().stats().threads;
    return threads.queued + threads.running == 0;
  }

  void TearDown() override {
    gate->open();
    if (resolver_) {
      EXPECT_TRUE(run_until([&] { return is_idle(); }));
    }
    destroy_resolver();
    ReactorTest::TearDown();
  }

  const std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  int answered = 0;
  std::error_code code;  // of the last failure

 private:
  // A look-up may outlive its resolver, and needs its kernel, with the hooks of its plan.
  FaultyKernel* const faulty_ =
      kernels_.emplace_back(std::make_unique<FaultyKernel>(plain_kernel())).get();
  static inline std::vector<std::unique_ptr<FaultyKernel>> kernels_;
  std::optional<Resolver> resolver_;
};

}  // namespace eddy::test
