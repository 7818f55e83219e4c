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
  std::shared_ptr<LocalSocket> socket = found->second.lock();
  error = socket == nullptr ? -ECONNREFUSED : 0;
  return socket;
}

}  // namespace eddy::sim
