#include "load/same_file.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace eddy::load {
namespace {

using std::filesystem::path;

// Where a file would be made. Links that lead nowhere are not followed by weakly_canonical.
path place_of(path file) {
  constexpr int kMostLinks = 40;  // as path_resolution(7)
  std::error_code failed;
  for (int i = 0; i < kMostLinks && is_symlink(symlink_status(file, failed)); ++i) {
    file = file.parent_path() / read_symlink(file, failed);
  }
  return weakly_canonical(absolute(file, failed), failed);
}

bool are_one(const std::string& a, const std::string& b) {
  struct stat of_a = {};
  struct stat of_b = {};
  const bool has_a = stat(a.c_str(), &of_a) == 0;
  const bool has_b = stat(b.c_str(), &of_b) == 0;
  if (has_a != has_b) return false;
  if (!has_a) return place_of(a) == place_of(b);
  return S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

}  // namespace

std::string shared_file(std::span<const NamedFile> files) {
  for (size_t i = 0; i < files.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const NamedFile& a = files[j];
      const NamedFile& b = files[i];
      if (a.path.empty() || b.path.empty() || (!a.is_written && !b.is_written)) continue;
      if (are_one(a.path, b.path)) return a.name + " and " + b.name + " are one file: " + a.path;
    }
  }
  return {};
}

}  // namespace eddy::load
