// Ranks in one process, on one reactor, whose machines' clocks differ.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <eddy/core/reactor.h>

#include "load/ranks.h"

namespace eddy::load::ranks_test {

using namespace std::chrono_literals;  // NOLINT: for tests

class TestRank;

// What the ranks share.
struct TestNetwork {
  Reactor& reactor;
  std::vector<TestRank*> ranks = {};
};

class TestRank final : public Ranks {
 public:
  TestRank(TestNetwork& network, std::chrono::nanoseconds skew)
      : network_(network), rank_(static_cast<uint32_t>(network.ranks.size())), skew_(skew) {
    network_.ranks.push_back(this);
  }

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return static_cast<uint32_t>(network_.ranks.size()); }
  std::string host() const override { return "host" + std::to_string(rank_); }
  TimePoint now() const override { return network_.reactor.now() + skew_; }

  void send(uint32_t to, std::string bytes) override {
    if (!is_gone) network_.ranks[to]->inbox_.push_back({rank_, std::move(bytes)});
  }
  std::optional<RankMessage> receive(std::chrono::nanoseconds /*wait*/) override {
    if (is_gone || inbox_.empty()) return std::nullopt;
    RankMessage message = std::move(inbox_.front());
    inbox_.pop_front();
    return message;
  }

  void reduce(std::span<uint64_t> sums, std::span<int64_t> maxima) override {
    sums_ = sums;
    maxima_ = maxima;
    has_given_ = !is_gone;
    const bool is_last =
        std::ranges::all_of(network_.ranks, [](const TestRank* each) { return each->has_given_; });
    for (size_t rank = 1; is_last && rank < size(); ++rank) add_to_root(*network_.ranks[rank]);
    is_complete_ = is_last;
  }
  bool is_reduced() override {
    return rank_ > 0 || std::ranges::any_of(network_.ranks, [](const TestRank* each) {
             return each->is_complete_;
           });
  }

  const std::optional<std::string>& failure() const override { return broken; }
  void leave() override {}
  void abort(int /*status*/) override {}

  bool is_gone = false;
  std::optional<std::string> broken;

 private:
  void add_to_root(const TestRank& other) {
    const TestRank& root = *network_.ranks.front();
    for (size_t i = 0; i < root.sums_.size(); ++i) root.sums_[i] += other.sums_[i];
    for (size_t i = 0; i < root.maxima_.size(); ++i) {
      root.maxima_[i] = std::max(root.maxima_[i], other.maxima_[i]);
    }
  }

  TestNetwork& network_;
  const uint32_t rank_;
  const std::chrono::nanoseconds skew_;
  std::deque<RankMessage> inbox_;
  std::span<uint64_t> sums_;
  std::span<int64_t> maxima_;
  bool has_given_ = false;
  bool is_complete_ = false;
};

}  // namespace eddy::load::ranks_test
