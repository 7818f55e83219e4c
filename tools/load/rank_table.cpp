#include "load/rank_table.h"

#include <algorithm>

#include "format.h"

namespace eddy::load {
namespace {

using tools::duration_text;
using tools::fixed;
using tools::right;

using Cells = std::vector<std::string>;

std::string time_text(std::chrono::nanoseconds time) {
  return duration_text(static_cast<double>(time.count()));
}

std::string time_text(const std::optional<int64_t>& time) {
  return time ? duration_text(static_cast<double>(*time)) : "-";
}

// What rank 0 is the measure of has no error.
std::string start_text(const RankRow& row, bool is_root) {
  return is_root ? "" : "± " + time_text(row.start_uncertainty);
}

Cells cells_of(const RankRow& row, size_t rank) {
  return {std::to_string(rank),
          row.host,
          tools::grouped(static_cast<uint64_t>(row.requests_per_second)),
          time_text(row.p50),
          time_text(row.p99),
          time_text(row.maximum),
          fixed(row.cpu_percent, 0) + " %",
          time_text(row.lateness_p99),
          start_text(row, rank == 0),
          row.verdict.word.empty() ? "no figures" : row.verdict.word};
}

// Characters, not bytes.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char each) { return (static_cast<unsigned char>(each) & 0xC0) != 0x80; }));
}

}  // namespace

std::string rank_table(const std::vector<RankRow>& ranks) {
  if (ranks.empty()) return {};
  std::vector<Cells> rows = {{"rank", "host", "requests/s", "p50", "p99", "max", "CPU",
                              "lateness p99", "start", "verdict"}};
  for (size_t rank = 0; rank < ranks.size(); ++rank) rows.push_back(cells_of(ranks[rank], rank));
  std::vector<size_t> widths(rows.front().size());
  for (const Cells& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const Cells& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) text += "  " + right(row[i], widths[i]);
    text += "\n";
  }
  return text;
}

}  // namespace eddy::load
