#include <eddy/core/kernel.h>
#include <eddy/net/socket_name_internal.h>

#include <string>

namespace eddy {
namespace {

using NameCall = int (Kernel::*)(int, sockaddr*, socklen_t*);

Result<Address> name_of(Kernel& kernel, int descriptor, NameCall call, const char* name) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  const int failed = (kernel.*call)(descriptor, address, &length);
  if (failed < 0) return failure(failed, name, "fd " + std::to_string(descriptor));
  return Address::from(address, length);
}

}  // namespace

Result<Address> socket_name(Kernel& kernel, int descriptor) {
  return name_of(kernel, descriptor, &Kernel::getsockname, "getsockname");
}

Result<Address> peer_name(Kernel& kernel, int descriptor) {
  return name_of(kernel, descriptor, &Kernel::getpeername, "getpeername");
}

}  // namespace eddy
