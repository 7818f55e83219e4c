#pragma once

#include <string>

namespace eddy::tools {

// One line on stderr that is overwritten as things go on; nothing at all if stderr is no terminal.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool is_shown() const { return is_terminal_; }
  // Cut to the width of the terminal: a line that wraps could not be overwritten.
  void show(std::string line);
  void clear();

 private:
  const bool is_terminal_;
  bool drawn_ = false;
};

}  // namespace eddy::tools
