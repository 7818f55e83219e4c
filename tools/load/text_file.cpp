#include "load/text_file.h"

#include <errno.h>
#include <stdio.h>

#include <array>
#include <memory>

#include "format.h"

namespace eddy::load {

Result<std::string> read_file(const std::string& path, size_t most_bytes) {
  const auto close = [](FILE* file) { fclose(file); };
  const std::unique_ptr<FILE, decltype(close)> file(fopen(path.c_str(), "re"), close);
  if (!file) return failure(-errno, "open", path);
  std::string text;
  std::array<char, 65536> piece;
  errno = 0;
  while (const size_t size = fread(piece.data(), 1, piece.size(), file.get())) {
    text.append(piece.data(), size);
    if (text.size() > most_bytes) {
      return failure(-EFBIG, "read", path, "it may have " + tools::size_text(most_bytes));
    }
  }
  // A directory can be opened, too.
  if (ferror(file.get()) != 0) return failure(-(errno == 0 ? EIO : errno), "read", path);
  return text;
}

}  // namespace eddy::load
