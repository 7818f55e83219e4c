// A regular file of a test's own, on whatever it runs.
#pragma once

#include <errno.h>
#include <sys/mman.h>

#include <string>
#include <string_view>

#include "descriptors.h"

namespace eddy::test {

class TestFile {
 public:
  explicit TestFile(std::string_view bytes) {
    if (machine().is_simulated()) {
      static int count = 0;
      path_ = "/tmp/file." + std::to_string(++count);
      machine().host().write_file(path_, bytes);
      file_.reset(plain_kernel().open(path_.c_str(), O_RDWR, 0));
    } else {
      file_.reset(memfd_create("test file", MFD_CLOEXEC));
      plain_kernel().pwrite(fd(), bytes.data(), bytes.size(), 0);
    }
  }
  int fd() const { return file_.get(); }
  void close() { file_.reset(); }
  int release() { return file_.release(); }
  void shrink(size_t size) {
    if (machine().is_simulated()) {
      const std::string bytes = *machine().host().read_file(path_);
      return machine().host().write_file(path_, std::string_view(bytes).substr(0, size));
    }
    if (ftruncate(fd(), static_cast<off_t>(size)) != 0) file_.reset();  // every use fails then
  }

 private:
  std::string path_;
  Descriptor file_;
};

}  // namespace eddy::test
