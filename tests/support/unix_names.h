// Names for a test's Unix sockets that no other test has: paths in a folder of its own, which goes
// with it, and abstract ones.
#pragma once

#include <eddy/net/address.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <string>
#include <system_error>

#include <filesystem>

#include "machine.h"

namespace eddy::test {

class UnixNames {
 public:
  ~UnixNames() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(std::string_view name) {
    if (machine().is_simulated()) return "/run/" + std::string(name);  // of a world of its own
    if (folder_.empty()) {
      char made[] = "/tmp/eddy-unix.XXXXXX";
      folder_ = mkdtemp(made) != nullptr ? made : "";
    }
    return folder_ + "/" + std::string(name);
  }
  Address at_path(std::string_view name) { return *Address::parse("unix:" + path(name)); }
  static Address abstract(std::string_view name) {
    return *Address::parse("unix:@eddy-test-" + std::to_string(getpid()) + "-" + std::string(name));
  }

 private:
  std::string folder_;
};

inline bool exists(const Address& address) {
  struct stat status = {};
  return plain_kernel().lstat(std::string(address.path()).c_str(), &status) == 0;
}
inline mode_t mode_of(const Address& address) {
  struct stat status = {};
  EXPECT_EQ(plain_kernel().lstat(std::string(address.path()).c_str(), &status), 0);
  return status.st_mode & 07777;
}

}  // namespace eddy::test
