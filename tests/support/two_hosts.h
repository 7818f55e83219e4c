// Two network namespaces of the test's own, joined by a pair of virtual Ethernet devices: a network
// whose cable can be pulled.
//
// What it is: `server` has 10.9.0.1, `client` 10.9.0.2, each on its device "wire". A socket belongs
// to the namespace in which it is made (network_namespaces(7)), so one reactor may have sockets in
// both: make them while an `Inside` of that namespace lives.
//
// Ownership: the namespaces end with their last descriptor and socket. Threads: the namespace is
// the calling thread's; the test's own.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <string>

#include "descriptors.h"

namespace eddy::test {

class TwoHosts {
 public:
  enum Side { kServer, kClient };
  static constexpr const char* kServerHost = "10.9.0.1";
  static constexpr const char* kClientHost = "10.9.0.2";

  // `why_not` says what is missing here, where that is so; nothing else may then be called.
  TwoHosts() : home_(own_namespace()) {
    for (Descriptor& side : sides_) {
      if (unshare(CLONE_NEWNET) != 0) {
        why_not_ = std::string("no network namespace may be made here (unshare(2): ") +
                   strerror(errno) + "; CAP_SYS_ADMIN is needed)";
        return;
      }
      side = own_namespace();
    }
    set_up();
    setns(home_.get(), CLONE_NEWNET);
  }
  ~TwoHosts() { setns(home_.get(), CLONE_NEWNET); }
  TwoHosts(const TwoHosts&) = delete;
  TwoHosts& operator=(const TwoHosts&) = delete;

  const std::string& why_not() const { return why_not_; }

  class Inside {
   public:
    Inside(const TwoHosts& hosts, Side side) : hosts_(hosts) {
      setns(hosts.sides_[side].get(), CLONE_NEWNET);
    }
    ~Inside() { setns(hosts_.home_.get(), CLONE_NEWNET); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    const TwoHosts& hosts_;
  };

  // A command of the shell, on that side. True: it ended with 0.
  bool run(Side side, const std::string& command) const {
    const Inside inside(*this, side);
    return system((command + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT: the test's own text
  }
  // The cable.
  bool set_link(Side side, bool up) const {
    return run(side, std::string("ip link set wire ") + (up ? "up" : "down"));
  }

 private:
  static Descriptor own_namespace() {
    return Descriptor(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }
  // The thread is in the client's namespace, which was made last.
  void set_up() {
    const std::string server =
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(sides_[kServer].get());
    const bool made = run(kClient, "ip link add wire type veth peer name wire netns " + server);
    const bool configured =
        made && configure(kServer, kServerHost) && configure(kClient, kClientHost);
    if (!configured) why_not_ = "no pair of virtual Ethernet devices can be made here (ip-link(8))";
  }
  bool configure(Side side, const char* host) const {
    return run(side, std::string("ip address add ") + host + "/24 dev wire") &&
           set_link(side, true) && run(side, "ip link set lo up");
  }

  Descriptor home_;
  Descriptor sides_[2];
  std::string why_not_;
};

}  // namespace eddy::test
