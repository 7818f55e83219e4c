#include "load/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace eddy::load {
namespace {

// UTF-8: every byte but those that continue a character begins one.
void cut(std::string& line, size_t characters) {
  size_t begun = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool continues = (static_cast<unsigned char>(line[i]) & 0xC0) == 0x80;
    if (!continues && begun++ == characters) return line.resize(i);
  }
}

}  // namespace

Progress::Progress() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

size_t Progress::columns() const {
  if (!is_terminal_) return 0;
  winsize size = {};
  constexpr size_t kUsual = 80;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

void Progress::show(std::string line) {
  if (!is_terminal_) {
    fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  cut(line, columns() - 1);
  fprintf(stderr, "\r%s\x1b[K", line.c_str());
  drawn_ = true;
}

void Progress::clear() {
  if (!drawn_) return;
  fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace eddy::load
