// The name that Server had while TCP was all it took, for programs that say it.
#pragma once

#include <eddy/net/server.h>

namespace eddy {

using TcpServer = Server;

}  // namespace eddy
