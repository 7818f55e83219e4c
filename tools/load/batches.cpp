#include "load/batches.h"

#include <stdlib.h>

#include <utility>

namespace eddy::load {

Batches::Batches(const HistogramOptions& options) : options_(options) {
  batches_.reserve(kMost);
  batches_.emplace_back(options_);
}

Batches Batches::of(std::vector<Histogram> complete) {
  Batches batches;
  batches.complete_ = complete.size();
  complete.reserve(kMost);
  complete.emplace_back(batches.options_);
  batches.batches_ = std::move(complete);
  return batches;
}

void Batches::add(std::span<const Histogram> span) {
  for (const Histogram& histogram : span) {
    if (!batches_[complete_].merge_finer(histogram)) abort();
  }
  end_span();
}

void Batches::end_span() {
  if (++spans_ < spans_per_batch_) return;
  spans_ = 0;
  if (++complete_ == kMost) join_neighbours();
  if (complete_ == batches_.size()) batches_.emplace_back(options_);
}

std::vector<Histogram> Batches::joined(uint64_t spans_per_batch) const {
  const uint64_t each = spans_per_batch / spans_per_batch_;
  std::vector<Histogram> joined;
  for (size_t i = 0; i < complete_ / each * each; ++i) {
    if (i % each == 0) joined.emplace_back(options_);
    static_cast<void>(joined.back().merge(batches_[i]));  // they have one layout
  }
  return joined;
}

void Batches::join_neighbours() {
  for (size_t i = 0; i < kMost / 2; ++i) {
    static_cast<void>(batches_[2 * i].merge(batches_[2 * i + 1]));  // they have one layout
    if (i > 0) std::swap(batches_[i], batches_[2 * i]);
  }
  for (size_t i = kMost / 2; i < kMost; ++i) batches_[i].reset();
  complete_ = kMost / 2;
  spans_per_batch_ *= 2;
}

}  // namespace eddy::load
