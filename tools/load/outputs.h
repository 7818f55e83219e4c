// The files that a run leaves behind, beside its summary.
//
// What it is: an .hlog with an interval each second, of response times and, with the tags
// "service" and "lag", of those, and of a mix each kind's response times with its name as the tag;
// a CSV with a line each second; an .hgrm with the percentiles of the whole run; a page for a
// browser. They are made before the run, so that one that cannot be made costs no run. A disk that
// fails later does not end the run: what was written stays, and `finish` tells the first failure.
//
// Threads: the run's.
#pragma once

#include <eddy/core/error.h>
#include <eddy/core/histogram.h>
#include <stdio.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/hdr_log.h"
#include "load/record.h"

namespace eddy::load {

// Empty: not wanted.
struct OutputFiles {
  std::string hlog;
  std::string hgrm;
  std::string csv;
  std::string html;
};

// Those of one rank of several: what is written as the run goes has the rank's number before its
// extension, "run.hlog" becomes "run.2.hlog"; what is of the whole run is rank 0's to write.
OutputFiles files_of_rank(const OutputFiles& files, uint32_t rank);
// Where a rank serves its metrics: ranks may share a machine, so at the port and its number more.
std::string address_of_rank(const std::string& address, uint32_t rank);

class Outputs {
 public:
  // The kinds' names are those of a mix of several.
  static Result<Outputs> create(const OutputFiles& files,
                                const std::vector<std::string>& kind_names = {});

  void begin_window();
  // What was measured from `start` on, counted from the window's beginning, for so long.
  void add(std::chrono::nanoseconds start, std::chrono::nanoseconds length, const Record& record);
  Result<void> finish(const Histogram& response);
  // The page comes last: it tells what `finish` met, too.
  bool wants_page() const { return page_ != nullptr; }
  Result<void> write_page(std::string_view page);

 private:
  struct Close {
    void operator()(FILE* file) const noexcept { fclose(file); }
  };
  using File = std::unique_ptr<FILE, Close>;

  explicit Outputs(const OutputFiles& files) : files_(files) {}
  static Result<File> make(const std::string& path);
  void add_to_csv(std::chrono::nanoseconds start, const Record& record);
  void write(FILE* file, const std::string& path, std::string_view text);
  void note(const Result<void>& done);
  void note_written(FILE* file, const std::string& path);

  OutputFiles files_;
  std::vector<std::string> kind_tags_;
  LogTime began_;
  std::optional<HdrLogWriter> log_;
  File csv_;
  File percentiles_;
  File page_;
  std::optional<Error> failure_;
};

}  // namespace eddy::load
