#include "load/html_report.h"

#include <stdint.h>

#include <utility>

// The bytes of a file, which the assembler reads, as NAME_text(). The paths are the build's.
#define EDDY_EMBED(name, path)                                                  \
  asm(".pushsection .rodata\n" #name "_begin: .incbin \"" path "\"\n" #name     \
      "_end: .balign 8\n" #name "_size: .quad " #name "_end - " #name           \
      "_begin\n"                                                                \
      ".popsection");                                                           \
  extern const char name##_begin[] __asm__(#name "_begin");                     \
  extern const uint64_t name##_size __asm__(#name "_size");                     \
  inline std::string_view name##_text() { return {name##_begin, name##_size}; } \
  static_assert(true)

namespace eddy::load {
namespace embedded {

EDDY_EMBED(report_html, EDDY_REPORT_HTML);
EDDY_EMBED(report_js, EDDY_REPORT_JS);
EDDY_EMBED(chart_licence, EDDY_CHART_LICENCE);
EDDY_EMBED(chart_js, EDDY_CHART_JS);

}  // namespace embedded

namespace {

// "<" is in strings only, where it may be written so; "</script>" would end the script that the
// object is in.
std::string harmless(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (const char each : json) {
    if (each == '<') {
      text += "\\u003c";
    } else {
      text += each;
    }
  }
  return text;
}

}  // namespace

bool has_html_report() { return !embedded::chart_js_text().empty(); }

std::string html_report(std::string_view json) {
  const std::string result = harmless(json);
  const std::pair<std::string_view, std::string_view> parts[] = {
      {"@RESULT@", result},
      {"@LICENCE@", embedded::chart_licence_text()},
      {"@CHART_JS@", embedded::chart_js_text()},
      {"@REPORT_JS@", embedded::report_js_text()}};
  std::string_view rest = embedded::report_html_text();
  std::string page;
  for (const auto& [mark, part] : parts) {
    const size_t place = rest.find(mark);
    page.append(rest.substr(0, place)).append(part);
    rest.remove_prefix(place + mark.size());
  }
  return page.append(rest);
}

}  // namespace eddy::load
