#include <eddy/core/histogram.h>

#include <cmath>
#include <new>

namespace eddy {
namespace {

HistogramOptions within_bounds(HistogramOptions options) {
  options.lowest = std::clamp<std::int64_t>(options.lowest, 1, std::int64_t{1} << 40);
  options.highest = std::max(options.highest, options.lowest * 2);
  options.digits = std::clamp(options.digits, 1, 5);
  return options;
}

// Counts that are looked at together.
constexpr std::size_t kAtOnce = 8;

// Twice ten to the digits: below it, values one apart have the digits asked for.
std::uint64_t single_unit_values(int digits) {
  std::uint64_t values = 2;
  for (int i = 0; i < digits; ++i) values *= 10;
  return values;
}

}  // namespace

HistogramLayout::HistogramLayout(const HistogramOptions& options) noexcept
    : options_(within_bounds(options)),
      unit_magnitude_(std::bit_width(static_cast<std::uint64_t>(options_.lowest)) - 1),
      half_magnitude_(std::bit_width(single_unit_values(options_.digits) - 1) - 1),
      mask_width_(half_magnitude_ + 1 + unit_magnitude_),
      bucket_count_(1),
      sub_bucket_mask_(((std::uint64_t{2} << half_magnitude_) - 1) << unit_magnitude_),
      greatest_(static_cast<std::int64_t>((std::uint64_t{1} << mask_width_) - 1)) {
  while (greatest_ < options_.highest) {
    greatest_ = greatest_ * 2 + 1;
    ++bucket_count_;
  }
}

std::int64_t HistogramLayout::lowest_at(std::size_t index) const noexcept {
  const int bucket = bucket_at(index);
  const std::size_t sub_bucket = index - (static_cast<std::size_t>(bucket) << half_magnitude_);
  return static_cast<std::int64_t>(sub_bucket << (bucket + unit_magnitude_));
}

std::int64_t HistogramLayout::highest_at(std::size_t index) const noexcept {
  return lowest_at(index) + ((std::int64_t{1} << (bucket_at(index) + unit_magnitude_)) - 1);
}

int HistogramLayout::coarser_by(const HistogramLayout& other) const noexcept {
  const bool differs = unit_magnitude_ != other.unit_magnitude_ || greatest_ != other.greatest_;
  return differs ? -1 : std::max(other.half_magnitude_ - half_magnitude_, -1);
}

Histogram::Histogram(const HistogramOptions& options)
    : layout_(options),
      counts_(static_cast<std::uint64_t*>(std::calloc(layout_.size(), sizeof(std::uint64_t)))) {
  if (counts_ == nullptr) throw std::bad_alloc();
}

Histogram::Touched Histogram::touched() const noexcept {
  if (count_ == 0) return {0, 0};
  return {layout_.index_of(std::min(minimum_, layout_.greatest())),
          layout_.index_of(std::min(maximum_, layout_.greatest())) + 1};
}

bool Histogram::merge(const Histogram& other) noexcept {
  if (layout_ != other.layout_) return false;
  // Most counts are 0, and adding them would make pages resident that hold nothing else.
  const Touched touched = other.touched();
  const std::uint64_t* const from = other.counts_.get();
  std::size_t index = touched.first;
  for (; index + kAtOnce <= touched.end; index += kAtOnce) {
    std::uint64_t any = 0;
    for (std::size_t i = 0; i < kAtOnce; ++i) any |= from[index + i];
    if (any == 0) continue;
    for (std::size_t i = 0; i < kAtOnce; ++i) counts_[index + i] += from[index + i];
  }
  for (; index < touched.end; ++index) {
    if (from[index] != 0) counts_[index] += from[index];
  }
  add_totals(other);
  return true;
}

void Histogram::add_totals(const Histogram& other) noexcept {
  count_ += other.count_;
  overflowed_ += other.overflowed_;
  sum_ += other.sum_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
}

// In the lower half of its first bucket the other layout has a count for each unit, and this one's
// buckets change; behind it, 2^shift neighbours are one count here, always so far down.
bool Histogram::merge_finer(const Histogram& other) noexcept {
  const int shift = layout_.coarser_by(other.layout_);
  if (shift < 0) return false;
  const Touched touched = other.touched();
  const std::uint64_t* const from = other.counts_.get();
  const auto even = static_cast<std::size_t>(other.layout_.sub_bucket_count() / 2);
  for (std::size_t i = touched.first; i < std::min(touched.end, even); ++i) {
    if (from[i] != 0) counts_[layout_.index_of(other.layout_.lowest_at(i))] += from[i];
  }
  const std::size_t together = std::size_t{1} << shift;
  const std::size_t down = layout_.index_of(other.layout_.lowest_at(even)) - (even >> shift);
  for (std::size_t i = std::max(touched.first / together * together, even); i < touched.end;
       i += together) {
    std::uint64_t sum = 0;
    for (std::size_t k = 0; k < together; ++k) sum += from[i + k];
    if (sum != 0) counts_[(i >> shift) + down] += sum;
  }
  add_totals(other);
  return true;
}

bool Histogram::merge(std::span<const std::uint64_t> counts, std::uint64_t overflowed,
                      std::uint64_t sum, std::int64_t minimum, std::int64_t maximum) noexcept {
  if (counts.size() != layout_.size()) return false;
  const auto counted = [](std::uint64_t count) { return count != 0; };
  const auto first = std::find_if(counts.begin(), counts.end(), counted);
  if (first == counts.end()) return true;
  const auto end = std::find_if(counts.rbegin(), counts.rend(), counted).base();
  const auto place_of = [this, &counts](std::int64_t value) {
    const std::size_t index = layout_.index_of(std::min(value, layout_.greatest()));
    return counts.begin() + static_cast<std::ptrdiff_t>(index);
  };
  if (minimum < 0 || maximum < minimum) return false;
  if (place_of(minimum) != first || place_of(maximum) + 1 != end) return false;
  auto* into = counts_.get() + (first - counts.begin());
  for (auto each = first; each != end; ++each, ++into) {
    if (*each == 0) continue;
    *into += *each;
    count_ += *each;
  }
  overflowed_ += overflowed;
  sum_ += sum;
  minimum_ = std::min(minimum_, minimum);
  maximum_ = std::max(maximum_, maximum);
  return true;
}

void Histogram::reset() noexcept {
  const Touched touched = this->touched();
  std::fill(counts_.get() + touched.first, counts_.get() + touched.end, 0);
  count_ = 0;
  overflowed_ = 0;
  sum_ = 0;
  minimum_ = std::numeric_limits<std::int64_t>::max();
  maximum_ = 0;
}

double Histogram::mean() const noexcept {
  if (count_ == 0) return 0;
  const auto count = static_cast<double>(count_);
  if (count * static_cast<double>(maximum_) < 0x1p64) return static_cast<double>(sum_) / count;
  double sum = 0;
  for_each([&sum](const Bucket& bucket) {
    const double middle =
        (static_cast<double>(bucket.lowest) + static_cast<double>(bucket.highest)) / 2;
    sum += middle * static_cast<double>(bucket.count);
  });
  return sum / count;
}

std::int64_t Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return 0;
  // One step down first: 99.9 % of 1,000 is meant to be 999, and not, by rounding,
  // 999.0000000000001 and so the thousandth.
  const double below = std::nextafter(percent, -std::numeric_limits<double>::infinity());
  // fmax takes what is no number for 0.
  const double within = std::fmin(std::fmax(below, 0.0), 100.0);
  const double rank = std::ceil(within * static_cast<double>(count_) / 100.0);
  const auto wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(rank), 1);
  const Touched touched = this->touched();
  std::size_t index = touched.first;
  for (std::uint64_t seen = counts_[index]; seen < wanted && index + 1 < touched.end;) {
    seen += counts_[++index];
  }
  return percent <= 0 ? layout_.lowest_at(index) : layout_.highest_at(index);
}

}  // namespace eddy
