// Which addresses a socket has.
#pragma once

#include <eddy/core/error.h>
#include <eddy/net/address.h>

namespace eddy {

class Kernel;

Result<Address> socket_name(Kernel& kernel, int descriptor);  // getsockname(2)
Result<Address> peer_name(Kernel& kernel, int descriptor);    // getpeername(2)

}  // namespace eddy
