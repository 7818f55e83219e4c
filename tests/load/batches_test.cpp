#include "load/batches.h"

#include <cstddef>
#include <cstdint>

#include <eddy/core/histogram.h>

#include <gtest/gtest.h>

namespace eddy::load {
namespace {

// Spans that are told apart by their values: the i-th has i + 1 of the value i.
Batches of_spans(size_t spans) {
  Batches batches({.digits = 3});
  for (size_t i = 0; i < spans; ++i) {
    batches.record(static_cast<int64_t>(i), i + 1);
    batches.end_span();
  }
  return batches;
}

TEST(Batches, AreTheSpansOfAShortRun) {
  const Batches batches = of_spans(127);
  ASSERT_EQ(batches.complete().size(), 127);
  for (size_t i = 0; i < 127; ++i) {
    EXPECT_EQ(batches.complete()[i].count(), i + 1);
    EXPECT_EQ(batches.complete()[i].maximum(), i);
  }
}

TEST(Batches, AreEqualSpansInTheOrderOfTimeHoweverLongTheRun) {
  for (size_t spans = 1; spans < 1500; spans += 53) {
    const Batches batches = of_spans(spans);
    size_t each = 1;
    while (spans / each >= Batches::kMost) each *= 2;
    ASSERT_EQ(batches.complete().size(), spans / each);
    size_t span = 0;
    for (const Histogram& batch : batches.complete()) {
      uint64_t count = 0;
      const size_t first = span;
      for (size_t i = 0; i < each; ++i) count += ++span;
      ASSERT_EQ(batch.count(), count);
      ASSERT_EQ(batch.minimum(), first);
      ASSERT_EQ(batch.maximum(), span - 1);
    }
  }
}

TEST(Batches, TakeAtMostAFewMebibytes) {
  Batches batches;
  for (size_t i = 0; i < Batches::kMost - 1; ++i) batches.end_span();
  size_t bytes = 0;
  for (const Histogram& batch : batches.complete()) bytes += batch.counts().size_bytes();
  EXPECT_LT(bytes, 5 << 20);
}

TEST(Batches, TakeHistogramsAsSpans) {
  Histogram span;  // of more digits
  span.record(1'234'567, 3);
  span.record(89, 2);
  Batches batches;
  batches.add({&span, 1});
  const Histogram empty;
  batches.add({&empty, 1});
  ASSERT_EQ(batches.complete().size(), 2);
  EXPECT_EQ(batches.complete()[0].count(), 5);
  EXPECT_EQ(batches.complete()[0].percentile(100),
            batches.complete()[0].layout().highest_equivalent(1'234'567));
  EXPECT_EQ(batches.complete()[1].count(), 0);
}

}  // namespace
}  // namespace eddy::load
