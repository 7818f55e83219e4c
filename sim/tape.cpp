#include <eddy/sim/tape.h>

#include <bit>

namespace eddy::sim {
namespace {

__extension__ using Product = unsigned __int128;  // not of ISO C++

// splitmix64 (Steele, Lea, Flood 2014): spreads a seed over the generator's state.
uint64_t spread(uint64_t& seed) {
  uint64_t mixed = seed += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

}  // namespace

Tape::Tape(uint64_t seed) {
  for (uint64_t& word : state_) word = spread(seed);
}

Tape::Tape(std::span<const uint8_t> bytes)
    : bytes_(bytes.begin(), bytes.end()), reads_bytes_(true) {}

uint64_t Tape::draw(uint64_t bound) {
  if (bound <= 1) return 0;
  if (reads_bytes_) return next_bytes(bound);
  // The high half of the product: as even as a remainder for the bounds that occur, and cheaper.
  return static_cast<uint64_t>((static_cast<Product>(next_number()) * bound) >> 64);
}

// xoshiro256** (Blackman, Vigna 2018).
uint64_t Tape::next_number() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

// As few bytes as the bound needs, so that a fuzzer's change of one byte changes one choice.
uint64_t Tape::next_bytes(uint64_t bound) {
  uint64_t number = 0;
  for (uint64_t reach = bound - 1; reach != 0; reach >>= 8) {
    const uint8_t byte = position_ < bytes_.size() ? bytes_[position_] : uint8_t{0};
    ++position_;
    number = number << 8 | byte;
  }
  return number % bound;
}

}  // namespace eddy::sim
