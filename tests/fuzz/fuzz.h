// What the fuzzers have in common.
//
// An input is read from both ends: integers and the like from its end, the text or the bytes from
// its front (FuzzedDataProvider), so that seeds read as what they are.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vector>

// A failure, which libFuzzer keeps and minimises.
#define FUZZ_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::eddy::fuzz::fail(#condition, __FILE__, __LINE__))

namespace eddy::fuzz {

[[noreturn]] inline void fail(const char* condition, const char* file, int line) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
  abort();
}

// How long the pieces are into which a stream is cut.
inline std::vector<size_t> draw_cuts(FuzzedDataProvider& input) {
  std::vector<size_t> cuts(input.ConsumeIntegralInRange<size_t>(0, 24));
  for (size_t& cut : cuts) cut = input.ConsumeIntegral<uint8_t>() % 40;
  return cuts;
}

}  // namespace eddy::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
