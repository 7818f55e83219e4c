// A file of a test's own, gone with it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

namespace eddy::load {

class LogFile {
 public:
  LogFile() : path_(testing::TempDir() + "eddy-log-XXXXXX"), is_own_(true) {
    const int fd = mkstemp(path_.data());
    EXPECT_GE(fd, 0);
    close(fd);
  }
  // One that is there, and stays.
  explicit LogFile(std::string path) : path_(std::move(path)), is_own_(false) {}
  ~LogFile() {
    if (is_own_) unlink(path_.c_str());
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  void append(const std::string& text) const { std::ofstream(path_, std::ios::app) << text; }
  std::string read() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
  bool is_own_;
};

}  // namespace eddy::load
