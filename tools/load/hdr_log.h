// Logs of interval histograms: HdrHistogram's .hlog files, version 1.3.
//
// What it is: lines of text. Those that start with # are comments, among them the version, the
// time of the start and the time from which the intervals' own times count (both here: seconds
// since the epoch). Each other line is an interval: an optional tag, start and length in seconds,
// the greatest value in milliseconds, and the histogram (load/hdr_codec.h) in base64. Recorded
// values are nanoseconds. HdrHistogram's tools (HistogramLogProcessor) read such files; the source
// is org.HdrHistogram.HistogramLogWriter and HistogramLogScanner.
//
// Memory: that of one interval, however long the log. Threads: none; one at a time.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/histogram.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <chrono>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace eddy::load {

using LogTime = std::chrono::sys_time<std::chrono::milliseconds>;

struct LogInterval {
  LogTime start;
  std::chrono::milliseconds length = {};
  std::string tag = {};  // whose histogram it is; empty is none
};

// Whether it may be a tag: no comma, blank, line break or other control character.
bool is_log_tag(std::string_view tag) noexcept;

// Writes a log, a line at a time, each with one write(2), which takes as long as the disk does; to
// deflate a histogram takes some tenths of a millisecond. A loop that must be punctual leaves both
// to another thread.
//
// At failure (a full disk, a limit on the size of files) an error that names write and the path
// is told once more by each later call, and nothing more is written; the log ends with the last
// interval that was written whole, and so can be read. A signal that the limit sends by itself
// (SIGXFSZ) is the program's to ignore.
class HdrLogWriter {
 public:
  // Makes the file, or empties it. `writer` goes into the comment that says with what it was made.
  static Result<HdrLogWriter> create(const std::string& path, LogTime started,
                                     std::string_view writer);
  HdrLogWriter(HdrLogWriter&& other) noexcept;
  HdrLogWriter& operator=(HdrLogWriter&& other) noexcept;
  ~HdrLogWriter();  // closes the file

  // std::errc::invalid_argument, and nothing is written, if it is no tag.
  Result<void> append(const LogInterval& interval, const Histogram& histogram);
  // Where some file systems tell of what they could not keep. Nothing is appended after it.
  Result<void> close();

 private:
  HdrLogWriter(int fd, std::string path, LogTime started);
  Result<void> write(std::string_view lines);
  Result<void> fail(int errno_value);

  int fd_;
  std::string path_;
  LogTime started_;
  int64_t written_ = 0;  // whole lines, in bytes
  std::optional<Error> failure_;
};

// Reads a log, an interval at a time, whoever wrote it.
//
// What is wrong is told in one line, with the path and the line's number: "a.hlog:17: …". After a
// line that is wrong the next one can be read; a file that cannot be read further ends there. Times
// are those of the reference's reader: without a base time, an interval that is earlier than the
// start time counts from it, else from the epoch.
class HdrLogReader {
 public:
  struct Record {
    LogInterval interval;
    Histogram histogram;
  };

  static std::expected<HdrLogReader, std::string> open(const std::string& path);

  // Nothing at the end of the file.
  std::expected<std::optional<Record>, std::string> next();

  // "a.hlog:17", the line that was read last.
  std::string place() const { return path_ + ":" + std::to_string(line_number_); }

 private:
  struct Close {
    void operator()(FILE* file) const noexcept { fclose(file); }
  };
  HdrLogReader(FILE* file, std::string path);
  std::expected<bool, std::string> read_line();
  void read_comment();
  std::expected<Record, std::string> read_interval();
  LogTime absolute(std::chrono::milliseconds stamp);

  std::unique_ptr<FILE, Close> file_;
  std::string path_;
  std::string line_;
  uint64_t line_number_ = 0;
  std::optional<std::chrono::milliseconds> start_time_;
  std::optional<std::chrono::milliseconds> base_time_;
};

}  // namespace eddy::load
