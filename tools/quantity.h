// Quantities as people write them: durations (5s, 300ms, 1m), sizes (64, 16k, 1m), counts (100,
// 10k), rates (0.5, 10k). Each parser takes the whole text or gives std::nullopt.
#pragma once

#include <stdint.h>

#include <chrono>
#include <optional>
#include <string_view>

namespace eddy::tools {

// ns, us, ms, s, m, h; a bare number is seconds, as wrk has it.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// k, m and g are powers of 1024; a B may follow.
std::optional<uint64_t> parse_size(std::string_view text);
// k, m and g are powers of 1000.
std::optional<uint64_t> parse_count(std::string_view text);
// As a count, and it may have a fraction.
std::optional<double> parse_rate(std::string_view text);

}  // namespace eddy::tools
