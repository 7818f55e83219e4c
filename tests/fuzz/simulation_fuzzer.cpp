// The simulator's tape: every choice of a world, and what is done in it, by the fuzzer's bytes.
// What it finds, it makes smaller: a shorter tape is a simpler world.
#include <stdio.h>
#include <stdlib.h>

#include "../sim/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto outcome = eddy::test::run_scenario(
      {.tape = {data + 1, size - 1},
       .backend = (data[0] & 1) == 0 ? eddy::BackendKind::kEpoll : eddy::BackendKind::kUring,
       .calm = (data[0] & 2) != 0});
  if (outcome.failure.empty()) return 0;
  fprintf(stderr, "%s\n", outcome.failure.c_str());
  abort();
}
