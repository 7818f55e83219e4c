#pragma once

#include <cstddef>
#include <string>

namespace eddy::load {

// Lines on stderr: on a terminal one that is overwritten as things go on, elsewhere one below the
// other.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  size_t columns() const;  // of the terminal, now; 0: it is none
  // On a terminal it is cut to its width: a line that wraps could not be overwritten.
  void show(std::string line);
  // Takes the line away that could be overwritten.
  void clear();

 private:
  const bool is_terminal_;
  bool drawn_ = false;
};

}  // namespace eddy::load
