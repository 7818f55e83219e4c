// The names of one host's Unix sockets: its socket files, and the abstract namespace.
//
// What it is: a table by name, as unix(7) has it. An abstract name begins with a zero byte and goes
// with its socket; a path stays when its socket has gone, until it is unlinked. There are no
// directories and no permissions.
#pragma once

#include <errno.h>

#include <map>
#include <memory>
#include <string>

namespace eddy::sim {

class LocalSocket;

class LocalNames {
 public:
  // 0, or -EADDRINUSE. The table does not keep the socket.
  int bind(const std::string& name, const std::shared_ptr<LocalSocket>& socket) {
    return sockets_.try_emplace(name, socket).second ? 0 : -EADDRINUSE;
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
  // unlink(2): 0, or -ENOENT.
  int unlink(const std::string& path) { return sockets_.erase(path) != 0 ? 0 : -ENOENT; }

 private:
  std::map<std::string, std::weak_ptr<LocalSocket>> sockets_;
};

}  // namespace eddy::sim
