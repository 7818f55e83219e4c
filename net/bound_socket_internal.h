// A socket that is bound and not in any reactor.
#pragma once

#include <eddy/net/bound_path_internal.h>
#include <eddy/net/listener.h>

namespace eddy {

struct BoundSocket {
  int descriptor = -1;
  BoundPath path;
};

// For `Listener::listen_on`, in another thread perhaps; it and its path are the caller's to close
// and to remove. As the options say, of which those about accepting are left aside.
Result<BoundSocket> bind_socket(Kernel& kernel, const Address& address,
                                const ListenOptions& options);

}  // namespace eddy
