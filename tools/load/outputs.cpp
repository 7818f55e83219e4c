#include "load/outputs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "load/hdr_percentiles.h"
#include "load/percentiles.h"

namespace eddy::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr char kCsvHeader[] =
    "seconds,answered,failed,unanswered,bytes_received,p50_us,p90_us,p99_us,p99.9_us,max_us,"
    "service_p99_us,lag_p99_us\n";

double us(int64_t ns) { return static_cast<double>(ns) / 1e3; }

}  // namespace

OutputFiles files_of_rank(const OutputFiles& files, uint32_t rank) {
  const auto of_rank = [rank](const std::string& name) {
    if (name.empty()) return name;
    std::filesystem::path path = name;
    const std::string number = "." + std::to_string(rank);
    path.replace_filename(path.stem().string() + number + path.extension().string());
    return path.string();
  };
  OutputFiles own = {.hlog = of_rank(files.hlog), .csv = of_rank(files.csv)};
  if (rank == 0) {
    own.hgrm = files.hgrm;
    own.html = files.html;
  }
  return own;
}

std::string address_of_rank(const std::string& address, uint32_t rank) {
  const size_t port = address.rfind(':') + 1;
  const unsigned long number = port == 0 ? 0 : strtoul(address.c_str() + port, nullptr, 10);
  if (number == 0) return address;  // none, or any that is free
  return address.substr(0, port) + std::to_string(number + rank);
}

Result<Outputs::File> Outputs::make(const std::string& path) {
  if (path.empty()) return File();
  File file(fopen(path.c_str(), "we"));
  if (!file) return failure(-errno, "open", path);
  return file;
}

Result<Outputs> Outputs::create(const OutputFiles& files,
                                const std::vector<std::string>& kind_names) {
  Outputs outputs(files);
  for (const std::string& name : kind_names) {
    // What a script's author called a kind need not be a tag.
    const std::string number = "kind" + std::to_string(outputs.kind_tags_.size());
    outputs.kind_tags_.push_back(is_log_tag(name) ? name : number);
  }
  if (!files.hlog.empty()) {
    const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    auto log = HdrLogWriter::create(files.hlog, now, "eddy load");
    if (!log) return std::unexpected(log.error());
    outputs.log_ = std::move(*log);
  }
  for (const auto& [path, file] :
       {std::pair(&files.csv, &outputs.csv_), std::pair(&files.hgrm, &outputs.percentiles_),
        std::pair(&files.html, &outputs.page_)}) {
    auto made = make(*path);
    if (!made) return std::unexpected(made.error());
    *file = std::move(*made);
  }
  if (outputs.csv_) fputs(kCsvHeader, outputs.csv_.get());
  return outputs;
}

void Outputs::begin_window() {
  began_ = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
}

void Outputs::add(nanoseconds start, nanoseconds length, const Record& record) {
  if (log_) {
    LogInterval interval = {.start = began_ + std::chrono::floor<milliseconds>(start),
                            .length = std::chrono::round<milliseconds>(length)};
    note(log_->append(interval, record.response()));
    interval.tag = "service";
    note(log_->append(interval, record.service));
    interval.tag = "lag";
    note(log_->append(interval, record.lag));
    for (size_t kind = 0; kind < kind_tags_.size(); ++kind) {
      interval.tag = kind_tags_[kind];
      note(log_->append(interval, record.response_of[kind]));
    }
  }
  if (csv_) add_to_csv(start, record);
}

void Outputs::add_to_csv(nanoseconds start, const Record& record) {
  const Histogram response = record.response();
  const Requests& requests = record.requests;
  FILE* file = csv_.get();
  fprintf(file, "%.3f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
          std::chrono::duration<double>(start).count(), requests.answered, requests.failed(),
          requests.unanswered + requests.unsent, record.bytes_received);
  // Nothing between the commas: too few samples lie beyond it.
  const auto add = [file](std::optional<int64_t> time) {
    time ? fprintf(file, ",%.3f", us(*time)) : fputc(',', file);
  };
  for (const double percentile : kPercentiles) add(known_at(response, percentile));
  add(response.maximum());
  add(known_at(record.service, 99));
  add(known_at(record.lag, 99));
  fputc('\n', file);
  note_written(file, files_.csv);
}

Result<void> Outputs::finish(const Histogram& response) {
  if (log_) note(log_->close());
  if (percentiles_) {
    write(percentiles_.get(), files_.hgrm, percentile_distribution(response));
  }
  if (failure_) return std::unexpected(*failure_);
  return {};
}

Result<void> Outputs::write_page(std::string_view page) {
  write(page_.get(), files_.html, page);
  if (failure_) return std::unexpected(*failure_);
  return {};
}

void Outputs::write(FILE* file, const std::string& path, std::string_view text) {
  errno = 0;
  if (fwrite(text.data(), 1, text.size(), file) != text.size()) {
    note(failure(errno == 0 ? -EIO : -errno, "write", path));
  }
  note_written(file, path);
}

void Outputs::note(const Result<void>& done) {
  if (!done && !failure_) failure_ = done.error();
}

// What is in the stream's memory only has not been written yet.
void Outputs::note_written(FILE* file, const std::string& path) {
  errno = 0;
  if ((fflush(file) != 0 || ferror(file) != 0) && !failure_) {
    failure_ = failure(errno == 0 ? -EIO : -errno, "write", path).error();
  }
}

}  // namespace eddy::load
