#include "load/hdr_log.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "load/base64.h"
#include "load/hdr_codec.h"

namespace eddy::load {
namespace {

using std::chrono::milliseconds;

constexpr double kNsPerMs = 1e6;
// More than the longest encoding of a histogram.
constexpr size_t kLongestLine = size_t{128} << 20;
// Some 30,000 years, so that sums of times stay within 63 bits.
constexpr double kMostSeconds = 1e12;

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; }

std::string fixed3(double number) {
  char text[400];
  snprintf(text, sizeof(text), "%.3f", number);
  return text;
}
std::string seconds(milliseconds time) { return fixed3(static_cast<double>(time.count()) / 1e3); }

std::string date(LogTime time) {
  const time_t since_epoch =
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  tm parts = {};
  char text[64] = "";
  if (gmtime_r(&since_epoch, &parts) != nullptr) {
    (void)strftime(text, sizeof(text), "%a %b %d %H:%M:%S UTC %Y", &parts);
  }
  return text;
}

std::string header(LogTime started, std::string_view writer) {
  const std::string since_epoch = seconds(started.time_since_epoch()) + " (seconds since epoch)";
  std::string comment(writer);
  std::ranges::replace_if(comment, is_control, '?');
  return "#[Logged with " + comment +
         "]\n#[Histogram log format version 1.3]\n#[StartTime: " + since_epoch + ", " +
         date(started) + "]\n#[BaseTime: " + since_epoch +
         "]\n\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
         "\"Interval_Compressed_Histogram\"\n";
}

// The field up to the next comma, which is taken away with it.
std::string_view take_field(std::string_view& line) {
  const size_t end = line.find(',');
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return field;
}

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

std::optional<milliseconds> parse_seconds(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || std::abs(*number) > kMostSeconds) return std::nullopt;
  return milliseconds(std::llround(*number * 1e3));
}

// What a line has, for a message: short, and nothing that a terminal would obey.
std::string quoted(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string shown(text.substr(0, kMost));
  std::ranges::replace_if(shown, is_control, '?');
  return "'" + shown + (text.size() > kMost ? "…'" : "'");
}

}  // namespace

bool is_log_tag(std::string_view tag) noexcept {
  return std::ranges::none_of(tag, [](char c) { return c == ',' || c == ' ' || is_control(c); });
}

// --- Writing

HdrLogWriter::HdrLogWriter(int fd, std::string path, LogTime started)
    : fd_(fd), path_(std::move(path)), started_(started) {}

HdrLogWriter::HdrLogWriter(HdrLogWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      started_(other.started_),
      written_(other.written_),
      failure_(std::move(other.failure_)) {}

HdrLogWriter& HdrLogWriter::operator=(HdrLogWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(started_, other.started_);
  std::swap(written_, other.written_);
  std::swap(failure_, other.failure_);
  return *this;
}

HdrLogWriter::~HdrLogWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Result<HdrLogWriter> HdrLogWriter::create(const std::string& path, LogTime started,
                                          std::string_view writer) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return failure(-errno, "open", path);
  HdrLogWriter log(fd, path, started);
  if (const auto written = log.write(header(started, writer)); !written) {
    return std::unexpected(written.error());
  }
  return log;
}

Result<void> HdrLogWriter::append(const LogInterval& interval, const Histogram& histogram) {
  if (failure_) return std::unexpected(*failure_);
  if (!is_log_tag(interval.tag)) {
    return failure(-EINVAL, "log", "tag " + quoted(interval.tag),
                   "no commas, blanks and control characters in it");
  }
  return write((interval.tag.empty() ? "" : "Tag=" + interval.tag + ",") +
               seconds(interval.start - started_) + "," + seconds(interval.length) + "," +
               fixed3(static_cast<double>(histogram.maximum()) / kNsPerMs) + "," +
               encode_base64(encode_hdr_deflated(histogram)) + "\n");
}

Result<void> HdrLogWriter::write(std::string_view lines) {
  const auto size = static_cast<int64_t>(lines.size());
  while (!lines.empty()) {
    const ssize_t taken = ::write(fd_, lines.data(), lines.size());
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return fail(errno);
    lines.remove_prefix(static_cast<size_t>(taken));
  }
  written_ += size;
  return {};
}

Result<void> HdrLogWriter::fail(int errno_value) {
  // What is no regular file has nothing to take away.
  const bool is_whole = ftruncate(fd_, written_) == 0;
  const auto error = failure(-errno_value, "write", path_,
                             is_whole && written_ > 0 ? "what was logged before is kept" : "");
  failure_ = error.error();
  return error;
}

Result<void> HdrLogWriter::close() {
  if (failure_) return std::unexpected(*failure_);
  failure_.emplace(errno_code(EBADF), "write", path_, "it was closed");
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return failure(-errno, "close", path_);
  return {};
}

// --- Reading

HdrLogReader::HdrLogReader(FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

std::expected<HdrLogReader, std::string> HdrLogReader::open(const std::string& path) {
  FILE* file = fopen(path.c_str(), "re");
  if (file == nullptr) return std::unexpected(failure(-errno, "open", path).error().message());
  return HdrLogReader(file, path);
}

std::expected<std::optional<HdrLogReader::Record>, std::string> HdrLogReader::next() {
  while (true) {
    const auto more = read_line();
    if (!more) return std::unexpected(more.error());
    if (!*more) return std::nullopt;
    if (line_.starts_with('#')) {
      read_comment();
    } else if (!line_.empty() && !line_.starts_with('"')) {  // the legend is quoted
      auto record = read_interval();
      if (!record) return std::unexpected(place() + ": " + record.error());
      return std::move(*record);
    }
  }
}

// False at the end of the file.
std::expected<bool, std::string> HdrLogReader::read_line() {
  if (file_ == nullptr) return false;
  line_.clear();
  ++line_number_;
  int c = 0;
  bool is_too_long = false;
  while (!is_too_long && (c = getc_unlocked(file_.get())) != EOF && c != '\n') {
    is_too_long = line_.size() >= kLongestLine;
    if (!is_too_long) line_ += static_cast<char>(c);
  }
  if (ferror(file_.get()) != 0) {
    const std::string what = failure(-errno, "read", path_).error().message();
    file_.reset();
    return std::unexpected(what);
  }
  if (is_too_long) {
    file_.reset();  // it may never end, and what follows is no line
    return std::unexpected(place() + ": the line is longer than any histogram");
  }
  if (line_.ends_with('\r')) line_.pop_back();
  return c != EOF || !line_.empty();
}

void HdrLogReader::read_comment() {
  const auto time_after = [this](std::string_view name) -> std::optional<milliseconds> {
    if (!line_.starts_with(name)) return std::nullopt;
    const std::string_view rest = std::string_view(line_).substr(name.size());
    return parse_seconds(rest.substr(0, rest.find_first_of(" ,]")));
  };
  if (const auto start = time_after("#[StartTime: ")) start_time_ = start;
  if (const auto base = time_after("#[BaseTime: ")) base_time_ = base;
}

std::expected<HdrLogReader::Record, std::string> HdrLogReader::read_interval() {
  std::string_view rest = line_;
  std::string tag;
  if (rest.starts_with("Tag=")) {
    tag = take_field(rest).substr(4);
    if (!is_log_tag(tag)) return std::unexpected("the tag has a blank or a control character");
  }
  const std::string_view start_field = take_field(rest);
  const auto stamp = parse_seconds(start_field);
  if (!stamp) return std::unexpected("the start is not in seconds: " + quoted(start_field));
  const std::string_view length_field = take_field(rest);
  const auto length = parse_seconds(length_field);
  if (!length || *length < milliseconds(0)) {
    return std::unexpected("the length is not in seconds: " + quoted(length_field));
  }
  const std::string_view maximum_field = take_field(rest);
  if (!parse_number(maximum_field)) {
    return std::unexpected("the greatest value is no number: " + quoted(maximum_field));
  }
  const auto bytes = decode_base64(rest);
  if (!bytes || bytes->empty()) {
    return std::unexpected("the histogram is not in base64: " + quoted(rest));
  }
  auto histogram = decode_hdr(*bytes);
  if (!histogram) return std::unexpected("the histogram " + histogram.error());
  return Record{{absolute(*stamp), *length, std::move(tag)}, std::move(*histogram)};
}

LogTime HdrLogReader::absolute(milliseconds stamp) {
  if (!start_time_) start_time_ = stamp;
  if (!base_time_) base_time_ = stamp < *start_time_ ? *start_time_ : milliseconds(0);
  return LogTime(*base_time_ + stamp);
}

}  // namespace eddy::load
