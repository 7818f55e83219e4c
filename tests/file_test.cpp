// Files on a WorkPool: results and errors come back to the loop, with the path.
#include <eddy/net/file.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <optional>

#include "support/fault_test.h"

namespace eddy::test {
namespace {

class Files : public FaultTest {
 protected:
  Files() {
    char name[] = "/tmp/file_test.XXXXXX";
    if (!machine().is_simulated() && mkdtemp(name) != nullptr) folder_ = name;
  }
  ~Files() override {
    for (const std::string& made : paths_) unlink(made.c_str());
    if (!folder_.empty()) rmdir(folder_.c_str());
  }
  WorkPool& pool() {
    if (!pool_) pool_.emplace(reactor(), WorkPoolOptions{.threads = 2});
    return *pool_;
  }
  // A path that no other test has, and perhaps a file there.
  std::string path() {
    paths_.push_back((folder_.empty() ? "/tmp" : folder_) + "/" + std::to_string(paths_.size()));
    return paths_.back();
  }
  std::string path(std::string_view bytes) {
    const std::string name = path();
    const Descriptor fd(plain_kernel().open(name.c_str(), O_WRONLY | O_CREAT, 0600));
    EXPECT_EQ(plain_kernel().pwrite(fd.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return name;
  }
  // The result of a call, once it has come; exactly once.
  template <typename T, typename Start>
  Result<T> await(const Start& start) {
    std::optional<Result<T>> got;
    const auto id = start([&](Result<T> result) {
      EXPECT_FALSE(got);
      got.emplace(std::move(result));
    });
    if (!id) return std::unexpected(id.error());
    EXPECT_FALSE(got);  // not from inside the call
    EXPECT_TRUE(run_until([&] { return got.has_value(); }));
    return got ? std::move(*got) : std::unexpected(Error(Errc::kTimedOut, "await"));
  }
  Result<File> open(const std::string& name, const OpenOptions& options = {}) {
    return await<File>(
        [&](auto done) { return File::open(pool(), name, options, std::move(done)); });
  }
  Result<std::string> read_all(const std::string& name, size_t most) {
    return await<std::string>(
        [&](auto done) { return read_file(pool(), name, most, std::move(done)); });
  }
  Result<std::string> read_at(const File& file, int64_t offset, size_t length) {
    return await<std::string>(
        [&](auto done) { return file.read_at(offset, length, std::move(done)); });
  }
  Result<void> write_at(const File& file, int64_t offset, const std::string& bytes) {
    return await<void>([&](auto done) { return file.write_at(offset, bytes, std::move(done)); });
  }

  void TearDown() override {
    run_until([&] { return pool().stats().running + pool().stats().queued == 0; });
    pool_.reset();
    FaultTest::TearDown();
  }

 private:
  std::optional<WorkPool> pool_;
  std::string folder_;
  std::vector<std::string> paths_;
};

TEST_P(Files, AreMadeWrittenAndReadAgain) {
  auto file = open(path(), {.write = true, .create = true});
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_TRUE(write_at(*file, 0, "hello"));
  EXPECT_TRUE(write_at(*file, 5, " world"));
  EXPECT_TRUE(await<void>([&](auto done) { return file->sync(std::move(done)); }));
  EXPECT_EQ(await<int64_t>([&](auto done) { return file->size(std::move(done)); }).value_or(-1),
            11);
  EXPECT_EQ(read_at(*file, 6, 100).value_or("?"), "world");
  EXPECT_EQ(read_at(*file, 0, 5).value_or("?"), "hello");
  EXPECT_EQ(read_at(*file, 50, 5).value_or("?"), "");
}

TEST_P(Files, ErrorsNameTheCallAndThePath) {
  const std::string nowhere = path();
  const auto missing = open(nowhere);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), std::errc::no_such_file_or_directory);
  EXPECT_EQ(missing.error().subject(), nowhere);
  const std::string name = path("there");
  EXPECT_EQ(open(name, {.write = true, .create = true, .exclusive = true}).error().code(),
            std::errc::file_exists);
  const auto file = open(name);
  ASSERT_TRUE(file);
  const auto written = write_at(*file, 0, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), std::errc::bad_file_descriptor);
  EXPECT_EQ(written.error().subject(), name);
  EXPECT_FALSE(File().sync([](Result<void>) { FAIL(); }));
}

TEST_P(Files, AreReadAsAWholeWithinABound) {
  const std::string name = path(pattern(700'000));
  const auto whole = read_all(name, 700'000);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->size(), 700'000U);
  EXPECT_TRUE(is_pattern(*whole, 0));
  const auto too_long = read_all(name, 699'999);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code(), make_error_code(Errc::kOverLimit));
  EXPECT_EQ(too_long.error().subject(), name);
  EXPECT_EQ(read_all(path(""), 0).value_or("?"), "");
}

TEST_P(Files, ShortAndInterruptedCallsGoOn) {
  auto file = open(path(), {.write = true, .create = true});
  ASSERT_TRUE(file);
  plan().shorten(SystemCall::kPwrite, 10'000, kEverySecondTime);
  plan().shorten(SystemCall::kPread, 7'000, kEverySecondTime);
  plan().fail(SystemCall::kPwrite, EINTR, {.every = 3, .times = kAlways});
  plan().fail(SystemCall::kPread, EINTR, {.every = 3, .times = kAlways});
  EXPECT_TRUE(write_at(*file, 0, pattern(100'000)));
  const auto read = read_at(*file, 0, 100'000);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size(), 100'000U);
  EXPECT_TRUE(is_pattern(*read, 0));
}

TEST_P(Files, AFailingDiskIsTold) {
  auto file = open(path("bytes"), {.write = true});
  ASSERT_TRUE(file);
  plan().fail(SystemCall::kPread, EIO);
  plan().fail(SystemCall::kPwrite, ENOSPC);
  plan().fail(SystemCall::kFsync, EIO);
  EXPECT_EQ(read_at(*file, 0, 1).error().code(), std::errc::io_error);
  EXPECT_EQ(write_at(*file, 0, "x").error().code(), std::errc::no_space_on_device);
  EXPECT_EQ(await<void>([&](auto done) { return file->sync(std::move(done)); }).error().code(),
            std::errc::io_error);
  EXPECT_EQ(read_at(*file, 0, 5).value_or("?"), "bytes");
}

TEST_P(Files, AreClosedWithTheLastHandle) {
  const std::string name = path("bytes");
  reactor();
  const size_t before = machine().open_descriptors();
  {
    const auto file = open(name);
    ASSERT_TRUE(file);
    const std::optional<File> same = *file;
    EXPECT_EQ(machine().open_descriptors(), before + 1);
    EXPECT_EQ(same->path(), name);
  }
  EXPECT_EQ(machine().open_descriptors(), before);
}

TEST_P(Files, GoToAStream) {
  const auto file = open(path("0123456789"));
  ASSERT_TRUE(file);
  serve_one(journal.options());
  ASSERT_TRUE(stream.send_file({.descriptor = file->descriptor(), .offset = 3, .length = 4}));
  auto read = read_at(*file, 7, 3);
  ASSERT_TRUE(read);
  stream.send(Slice::adopt(std::move(*read)));
  EXPECT_TRUE(run_until([&] { return peer.has_received("3456789"); }));
}

EDDY_ON_EVERY_CONFIGURATION(Files);

}  // namespace
}  // namespace eddy::test
