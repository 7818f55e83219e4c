#include "load/schedule.h"

#include <algorithm>

#include <eddy/core/check.h>

namespace eddy::load {

Schedule::Schedule(Spacing spacing, RateProfile profile, Mix mix, uint64_t seed)
    : spacing_(spacing),
      profile_(std::move(profile)),
      mix_(std::move(mix)),
      gaps_seed_(Random::seed_of(seed, kGaps)),
      kinds_seed_(Random::seed_of(seed, kKinds)),
      shares_seed_(Random::seed_of(seed, kShares)) {}

Arrivals Schedule::arrivals(uint32_t index, uint32_t of) const {
  EDDY_REQUIRE(index < of, "a share of a schedule has an index below their number");
  return {*this, index, of};
}

Arrivals::Arrivals(const Schedule& schedule, uint32_t index, uint32_t of)
    : schedule_(&schedule),
      index_(index),
      of_(of),
      number_(schedule.spacing_ == Schedule::Spacing::kPoisson ? 0 : index),
      gaps_(schedule.gaps_seed_) {
  find();
}

void Arrivals::take() {
  EDDY_REQUIRE(!ended_, "an arrival was taken from a schedule that has ended");
  number_ += schedule_->spacing_ == Schedule::Spacing::kPoisson ? 1 : of_;
  find();
}

void Arrivals::find() {
  switch (schedule_->spacing_) {
    case Schedule::Spacing::kRecorded:
      ended_ = number_ >= schedule_->recorded_.size();
      if (!ended_) next_ = schedule_->recorded_[number_];
      return;
    case Schedule::Spacing::kConstant:
      position_ = static_cast<double>(number_);
      return find_in_profile();
    case Schedule::Spacing::kPoisson:
      const double end = schedule_->profile_.arrivals();
      position_ += gaps_.exponential();
      for (; of_ > 1 && position_ < end; ++number_) {
        if (Random::scaled(Random::at(schedule_->shares_seed_, number_), of_) == index_) break;
        position_ += gaps_.exponential();
      }
      return find_in_profile();
  }
}

void Arrivals::find_in_profile() {
  const RateProfile& profile = schedule_->profile_;
  ended_ = position_ >= profile.arrivals();
  if (ended_) return;
  // By rounding, it may be a nanosecond before the last one, or at the very end.
  next_.at = std::max(next_.at, profile.time_of(position_, place_));
  next_.kind = schedule_->kind_of(number_);
  ended_ = next_.at >= profile.length();
}

std::optional<std::chrono::nanoseconds> Arrivals::time_of(uint64_t ahead) const {
  if (ended_) return std::nullopt;
  if (schedule_->spacing_ == Schedule::Spacing::kRecorded) {
    const std::vector<Arrival>& recorded = schedule_->recorded_;
    if (ahead > (recorded.size() - 1 - number_) / of_) return std::nullopt;
    return recorded[number_ + ahead * of_].at;
  }
  const RateProfile& profile = schedule_->profile_;
  const double position = position_ + static_cast<double>(ahead) * of_;
  if (position >= profile.arrivals()) return std::nullopt;
  RateProfile::Place place = place_;
  const auto at = std::max(next_.at, profile.time_of(position, place));
  return at < profile.length() ? std::optional(at) : std::nullopt;
}

bool Arrivals::is_before(uint64_t ahead, std::chrono::nanoseconds end) const {
  const auto at = time_of(ahead);
  return at && *at < end;
}

Arrivals::Passed Arrivals::skip_before(std::chrono::nanoseconds end) {
  if (!is_before(0, end)) return {};
  uint64_t last = 0;
  uint64_t beyond = 1;
  for (; is_before(beyond, end); beyond *= 2) last = beyond;
  while (beyond - last > 1) {
    const uint64_t middle = last + (beyond - last) / 2;
    (is_before(middle, end) ? last : beyond) = middle;
  }
  const Passed passed = {last + 1, *time_of(last)};
  number_ += passed.count * of_;
  if (schedule_->is_random()) {
    position_ += static_cast<double>(passed.count) * of_;
    find_in_profile();
  } else {
    find();
  }
  return passed;
}

uint64_t Arrivals::count_before(std::chrono::nanoseconds end) const {
  uint64_t count = 0;
  for (Arrivals rest = *this; !rest.ended() && rest.next().at < end; rest.take()) ++count;
  return count;
}

}  // namespace eddy::load
