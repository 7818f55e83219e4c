#pragma once

#include <eddy/core/error.h>
#include <stddef.h>

#include <string>

namespace eddy::load {

// Of what people write, and of what programs do.
inline constexpr size_t kMostTextBytes = size_t{1} << 20;
inline constexpr size_t kMostDataBytes = size_t{256} << 20;

// All that is in a file, or a pipe. Fails as open(2) and read(2) do, and says which file; with
// EFBIG if there are more bytes.
Result<std::string> read_file(const std::string& path, size_t most_bytes);

}  // namespace eddy::load
