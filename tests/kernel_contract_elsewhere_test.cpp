// What is asked of other threads: their making, and the names that they look up. From the man pages
// getaddrinfo(3) and getnameinfo(3). Of names, Linux and the model have in common what every
// machine has: numbers, localhost and the best-known services.
#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <string.h>

#include <memory>
#include <string>
#include <vector>

#include "support/kernel_contract.h"

namespace eddy::test {
namespace {

using Texts = std::vector<std::string>;

class KernelContractElsewhere : public KernelContract {};

TEST_P(KernelContractElsewhere, StepsAreMadeUntilOneSaysThatItWasTheLast) {
  const int over = keep(kernel.eventfd());
  struct Ended {
    ~Ended() { kernel->write_eventfd(fd); }
    Kernel* kernel;
    int fd;
  };
  uint64_t thread = kernel.thread_id();
  int steps = 0;
  auto ended = std::make_unique<Ended>(&kernel, over);
  ASSERT_EQ(kernel.run_elsewhere([&, ended = std::move(ended)] {
    thread = kernel.thread_id();
    return ++steps < 3;
  }),
            0);
  await(over, EPOLLIN);
  EXPECT_EQ(kernel.read_eventfd(over), 1);
  EXPECT_EQ(steps, 3);
  EXPECT_NE(thread, kernel.thread_id());
}

TEST_P(KernelContractElsewhere, SeveralAtOnce) {
  const int over = keep(kernel.eventfd());
  int64_t count = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(kernel.run_elsewhere([&] { return kernel.write_eventfd(over) > 0; }), 0);
  }
  while (count < 5 && (await(over, EPOLLIN) & EPOLLIN) != 0) count += kernel.read_eventfd(over);
  EXPECT_EQ(count, 5);
}

EDDY_ON_EVERY_KERNEL(KernelContractElsewhere);

class KernelContractNames : public KernelContract {
 protected:
  // "family type protocol address:port", the canonical name before the first; or what failed.
  Texts look_up(const char* host, const char* service, const addrinfo& hints) {
    addrinfo* list = nullptr;
    int error = 0;
    const int result = kernel.getaddrinfo(host, service, &hints, &list, &error);
    if (result != 0) return {gai_strerror(result)};
    Texts found;
    for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
      if (at->ai_canonname != nullptr) found.emplace_back(at->ai_canonname);
      found.push_back(kind(*at) + numeric(at->ai_addr, at->ai_addrlen));
    }
    kernel.freeaddrinfo(list);
    return found;
  }
  // "host:service" of 127.0.0.1 and a port.
  std::string name_of(const sockaddr_in& address, int flags, socklen_t host_size = NI_MAXHOST,
                      socklen_t service_size = NI_MAXSERV) {
    char host[NI_MAXHOST] = "", service[NI_MAXSERV] = "";
    int error = 0;
    const int result =
        kernel.getnameinfo(reinterpret_cast<const sockaddr*>(&address), sizeof address, host,
                           host_size, service, service_size, flags, &error);
    return result != 0 ? gai_strerror(result) : std::string(host) + ":" + service;
  }

 private:
  static std::string kind(const addrinfo& info) {
    const char* type = info.ai_socktype == SOCK_STREAM  ? "stream "
                       : info.ai_socktype == SOCK_DGRAM ? "dgram "
                                                        : "raw ";
    return type + std::to_string(info.ai_protocol) + " ";
  }
  static std::string numeric(const sockaddr* address, socklen_t length) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_INET) {
      EXPECT_EQ(length, sizeof(sockaddr_in));
      sockaddr_in in;
      memcpy(&in, address, sizeof in);
      inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
      return text + (":" + std::to_string(ntohs(in.sin_port)));
    }
    EXPECT_EQ(length, sizeof(sockaddr_in6));
    sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    return text + (":" + std::to_string(ntohs(in6.sin6_port)));
  }
};

TEST_P(KernelContractNames, AnAddressForEachKindOfSocket) {
  EXPECT_EQ(look_up("10.1.2.3", "7000", {}),
            (Texts{"stream 6 10.1.2.3:7000", "dgram 17 10.1.2.3:7000", "raw 0 10.1.2.3:7000"}));
  EXPECT_EQ(look_up("fd00::1", "7000", {.ai_socktype = SOCK_STREAM}),
            Texts{"stream 6 fd00::1:7000"});
  EXPECT_EQ(look_up("10.1.2.3", nullptr, {.ai_protocol = IPPROTO_UDP}),
            Texts{"dgram 17 10.1.2.3:0"});
}

TEST_P(KernelContractNames, AServiceByItsName) {
  EXPECT_EQ(look_up("10.1.2.3", "http", {}), Texts{"stream 6 10.1.2.3:80"});
  EXPECT_EQ(look_up("10.1.2.3", "domain", {}),
            (Texts{"stream 6 10.1.2.3:53", "dgram 17 10.1.2.3:53"}));
  EXPECT_EQ(look_up("10.1.2.3", "http", {.ai_socktype = SOCK_DGRAM}),
            Texts{gai_strerror(EAI_SERVICE)});
  EXPECT_EQ(look_up("10.1.2.3", "no-such-service", {}), Texts{gai_strerror(EAI_SERVICE)});
  EXPECT_EQ(look_up("10.1.2.3", "http", {.ai_flags = AI_NUMERICSERV}),
            Texts{gai_strerror(EAI_NONAME)});
}

TEST_P(KernelContractNames, WithoutAHostItIsOneself) {
  const addrinfo stream = {.ai_socktype = SOCK_STREAM};
  EXPECT_EQ(look_up(nullptr, "7000", stream),
            (Texts{"stream 6 ::1:7000", "stream 6 127.0.0.1:7000"}));
  addrinfo passive = stream;
  passive.ai_flags = AI_PASSIVE;
  EXPECT_EQ(look_up(nullptr, "7000", passive),
            (Texts{"stream 6 0.0.0.0:7000", "stream 6 :::7000"}));
  EXPECT_EQ(look_up(nullptr, nullptr, stream), Texts{gai_strerror(EAI_NONAME)});
}

TEST_P(KernelContractNames, TheCanonicalNameComesWithTheFirst) {
  EXPECT_EQ(look_up("10.1.2.3", nullptr, {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}),
            (Texts{"10.1.2.3", "stream 6 10.1.2.3:0"}));
  EXPECT_EQ(look_up(nullptr, "7000", {.ai_flags = AI_CANONNAME}),
            Texts{gai_strerror(EAI_BADFLAGS)});
}

TEST_P(KernelContractNames, AFamilyThatTheHostHasNot) {
  const addrinfo six = {.ai_family = AF_INET6, .ai_socktype = SOCK_STREAM};
  EXPECT_EQ(look_up("10.1.2.3", "7000", six), Texts{gai_strerror(EAI_ADDRFAMILY)});
  EXPECT_EQ(look_up("fd00::1", "7000", {.ai_family = AF_INET}),
            Texts{gai_strerror(EAI_ADDRFAMILY)});
  addrinfo mapped = six;
  mapped.ai_flags = AI_V4MAPPED;
  EXPECT_EQ(look_up("10.1.2.3", "7000", mapped), Texts{"stream 6 ::ffff:10.1.2.3:7000"});
  EXPECT_EQ(look_up("10.1.2.3", "7000", {.ai_family = AF_UNIX}), Texts{gai_strerror(EAI_FAMILY)});
}

TEST_P(KernelContractNames, WhatCannotBeAsked) {
  EXPECT_EQ(look_up("10.1.2.3", "7000", {.ai_flags = 1 << 20}), Texts{gai_strerror(EAI_BADFLAGS)});
  EXPECT_EQ(look_up("10.1.2.3", nullptr, {.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_UDP}),
            Texts{gai_strerror(EAI_SOCKTYPE)});
  EXPECT_EQ(look_up("localhost", nullptr, {.ai_flags = AI_NUMERICHOST}),
            Texts{gai_strerror(EAI_NONAME)});
}

TEST_P(KernelContractNames, Localhost) {
  EXPECT_EQ(look_up("localhost", "7000", {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}),
            Texts{"stream 6 127.0.0.1:7000"});
}

TEST_P(KernelContractNames, TheNameOfAnAddress) {
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST), "127.0.0.1:http");
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST | NI_NUMERICSERV), "127.0.0.1:80");
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST | NI_DGRAM), "127.0.0.1:80");
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICSERV), "localhost:80");
}

TEST_P(KernelContractNames, ANameThatDoesNotFitIsAnError) {
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST, 9), gai_strerror(EAI_OVERFLOW));
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST, 10), "127.0.0.1:http");
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), NI_NUMERICHOST, 10, 4), gai_strerror(EAI_OVERFLOW));
  EXPECT_EQ(name_of(inet("127.0.0.1", 80), 0, 0, 0), ":");  // nothing was asked for
}

TEST_P(KernelContractNames, AnAddressOfAnotherFamilyHasNoName) {
  char host[NI_MAXHOST];
  int error = 0;
  sockaddr_in too_short = inet("127.0.0.1", 80);
  EXPECT_EQ(kernel.getnameinfo(reinterpret_cast<const sockaddr*>(&too_short), 8, host, sizeof host,
                               nullptr, 0, NI_NUMERICHOST, &error),
            EAI_FAMILY);
  too_short.sin_family = AF_APPLETALK;
  EXPECT_EQ(kernel.getnameinfo(reinterpret_cast<const sockaddr*>(&too_short), sizeof too_short,
                               host, sizeof host, nullptr, 0, NI_NUMERICHOST, &error),
            EAI_FAMILY);
}

EDDY_ON_EVERY_KERNEL(KernelContractNames);

}  // namespace
}  // namespace eddy::test
