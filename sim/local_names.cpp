#include <eddy/sim/local_names.h>
#include <eddy/sim/local_socket.h>
#include <stdio.h>

namespace eddy::sim {

std::string LocalNames::invent() const {
  for (unsigned number = 0;; ++number) {
    char digits[8];
    const int length = snprintf(digits, sizeof digits, "%05x", number);
    std::string name = std::string(1, '\0').append(digits, static_cast<size_t>(length));
    if (!sockets_.contains(name)) return name;
  }
}

std::shared_ptr<LocalSocket> LocalNames::find(const std::string& name, int& error) const {
  const auto found = sockets_.find(name);
  const bool is_path = !name.empty() && name.front() != '\0';
  if (found == sockets_.end()) {
    error = is_path ? -ENOENT : -ECONNREFUSED;
    return nullptr;
  }
  std::shared_ptr<LocalSocket> socket = found->second.socket.lock();
  error = socket == nullptr ? -ECONNREFUSED : 0;
  return socket;
}

int LocalNames::status(const std::string& path, struct stat& status) const {
  const auto found = sockets_.find(path);
  if (found == sockets_.end()) return -ENOENT;
  status = {};
  status.st_ino = found->second.inode;
  status.st_mode = found->second.mode;
  status.st_nlink = 1;
  return 0;
}

int LocalNames::set_mode(const std::string& path, uint32_t mode) {
  const auto found = sockets_.find(path);
  if (found == sockets_.end()) return -ENOENT;
  constexpr uint32_t kPermissions = 07777;
  found->second.mode = (found->second.mode & ~kPermissions) | (mode & kPermissions);
  return 0;
}

}  // namespace eddy::sim
