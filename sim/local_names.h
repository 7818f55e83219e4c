// The names of one host's Unix sockets: its socket files, and the abstract namespace.
//
// What it is: a table by name, as unix(7) has it. An abstract name begins with a zero byte and goes
// with its socket; a path stays when its socket has gone, until it is unlinked. There are no
// directories, and nobody asks for the permissions that a path has.
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>

namespace eddy::sim {

class LocalSocket;

class LocalNames {
 public:
  // 0, or -EADDRINUSE. The table does not keep the socket.
  int bind(const std::string& name, const std::shared_ptr<LocalSocket>& socket) {
    const bool is_free = sockets_.try_emplace(name, Entry{socket, inodes_ + 1}).second;
    if (is_free) ++inodes_;
    return is_free ? 0 : -EADDRINUSE;
  }
  // A free abstract name.
  std::string invent() const;
  // Null with `error`: -ENOENT for a path that is not there, -ECONNREFUSED for a name without a
  // socket.
  std::shared_ptr<LocalSocket> find(const std::string& name, int& error) const;
  // The socket of this name is closed.
  void closed(const std::string& name) {
    if (!name.empty() && name.front() == '\0') sockets_.erase(name);
  }
  // Of paths: unlink(2), lstat(2) and chmod(2). 0, or -ENOENT.
  int unlink(const std::string& path) { return sockets_.erase(path) != 0 ? 0 : -ENOENT; }
  int status(const std::string& path, struct stat& status) const;
  int set_mode(const std::string& path, uint32_t mode);

 private:
  struct Entry {
    std::weak_ptr<LocalSocket> socket;
    uint64_t inode;
    uint32_t mode = S_IFSOCK | 0755;  // of a usual umask
  };
  std::map<std::string, Entry> sockets_;
  uint64_t inodes_ = 0;  // so many were given
};

}  // namespace eddy::sim
