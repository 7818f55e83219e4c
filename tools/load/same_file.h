// Whether files that a run is told are one and the same.
#pragma once

#include <span>
#include <string>

namespace eddy::load {

// A file by what names it, such as "--csv". An empty path is none.
struct NamedFile {
  std::string name;
  std::string path;
  bool is_written = true;  // else it is read
};

// Two files of which one at least is written, as one line: "--csv and --hlog are one file:
// run.csv". Empty if there are none. Links are followed, and files need not be there yet. A device
// or a pipe is what it is for all who write to it.
std::string shared_file(std::span<const NamedFile> files);

}  // namespace eddy::load
