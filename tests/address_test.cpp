#include <eddy/net/address.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eddy {
namespace {

using testing::HasSubstr;

Address parsed(std::string_view text) {
  const auto address = Address::parse(text);
  EXPECT_TRUE(address) << address.error().message();
  return address.value_or(Address());
}

TEST(Address, TextIsMadeCanonical) {
  struct Case {
    std::string_view text;
    std::string_view canonical;
  };
  static constexpr Case kCases[] = {
      {"127.0.0.1:7000", "127.0.0.1:7000"},
      {"255.255.255.255:65535", "255.255.255.255:65535"},
      {"*:7000", "0.0.0.0:7000"},
      {":0", "0.0.0.0:0"},
      {"[::1]:80", "[::1]:80"},
      {"[::]:80", "[::]:80"},
      // RFC 5952, sections 4.1 (leading zeros), 4.2 (the longest run, the first of two, never a
      // single group) and 4.3 (lower case).
      {"[2001:0DB8::0001]:1", "[2001:db8::1]:1"},
      {"[2001:db8:0:0:0:0:2:1]:1", "[2001:db8::2:1]:1"},
      {"[2001:db8::1:1:1:1:1]:1", "[2001:db8:0:1:1:1:1:1]:1"},
      {"[2001:0:0:1:0:0:0:1]:1", "[2001:0:0:1::1]:1"},
      {"[2001:db8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1"},
      {"[::ffff:c000:0201]:1", "[::ffff:192.0.2.1]:1"},
      {"[fe80::1%7]:80", "[fe80::1%7]:80"},
      {"unix:/run/app.sock", "unix:/run/app.sock"},
      {"unix:relative", "unix:relative"},
      {"unix:a:80", "unix:a:80"},
      {"unix:@app", "unix:@app"},
      {"unix:@@a/b ", "unix:@@a/b "},
      {"unix:@a\\x00\\x0Ab", "unix:@a\\x00\\x0ab"},
      {"unix:\\x40file", "unix:\\x40file"},
      {"unix:/\\x61\\x5c", "unix:/a\\x5c"},
      {"unix:/\xc3\xa9", "unix:/\\xc3\\xa9"},
  };
  for (const Case& one : kCases) {
    const Address address = parsed(one.text);
    EXPECT_EQ(address.to_string(), one.canonical);
    EXPECT_EQ(parsed(one.canonical), address);
  }
}

TEST(Address, ScopeMayBeTheNameOfAnInterface) {
  const unsigned index = if_nametoindex("lo");
  ASSERT_NE(index, 0U);
  EXPECT_EQ(parsed("[fe80::1%lo]:80").to_string(), "[fe80::1%" + std::to_string(index) + "]:80");
  EXPECT_EQ(parsed("[ff02::1%lo]:80"), parsed("[ff02::1%" + std::to_string(index) + "]:80"));
}

using namespace std::string_view_literals;

TEST(Address, WhatIsRefusedIsToldWhy) {
  struct Case {
    std::string_view text;
    const char* advice;
  };
  static constexpr Case kCases[] = {
      {"", "empty"},
      {"127.0.0.1", "no port: write HOST:PORT"},
      {"7000", "no port: write HOST:PORT"},
      {"127.0.0.1:", "no port after the colon"},
      {"[::1]:", "no port after the colon"},
      {"127.0.0.1:65536", "at most 65535"},
      {"127.0.0.1:99999999999999999999", "at most 65535"},
      {"127.0.0.1:080", "leading zero"},
      {"127.0.0.1:+80", "decimal"},
      {"127.0.0.1:-1", "decimal"},
      {"127.0.0.1:0x50", "decimal"},
      {"127.0.0.1: 80", "decimal"},
      {"127.0.0.1:80 ", "decimal"},
      {"127.0.0.1:80\n", "decimal"},
      {"127.0.0.1:http", "decimal"},
      {"127.0.0.01:80", "without leading zeros"},
      {"256.0.0.1:80", "from 0 to 255"},
      {"127.1:80", "four numbers"},
      {"1.2.3.4.5:80", "four numbers"},
      {"127.0.0.1.:80", "four numbers"},
      {"2130706433:80", "four numbers"},
      {"localhost:80", "127.0.0.1 or [::1]"},
      {"example.org:80", "names are not"},
      {"127.0.0.1 :80", "write IPv4 as"},
      {"**:80", "write IPv4 as"},
      {"::1:80", "brackets"},
      {"::1", "brackets"},
      {"fe80::1%lo:80", "brackets"},
      {"[::1:80", "no ]"},
      {"[::1]", "no port: write [IPV6]"},
      {"[::1]80", "after ]"},
      {"[::1]]:80", "after ]"},
      {"[]:80", "no IPv6 address"},
      {"[*]:80", "no IPv6 address"},
      {"[127.0.0.1]:80", "no IPv6 address"},
      {"[1::2::3]:80", "no IPv6 address"},
      {"[::12345]:80", "no IPv6 address"},
      {"[[::1]]:80", "after ]"},
      {"[fe80::1%]:80", "no interface after %"},
      {"[fe80::1%no-such-if]:80", "no interface is called no-such-if"},
      {"[fe80::1%0]:80", "from 1 to 4294967295"},
      {"[fe80::1%4294967296]:80", "from 1 to 4294967295"},
      {"[fe80::1%1%1]:80", "no interface is called 1%1"},
      {"[2001:db8::1%1]:80", "only a link-local"},
      {"127.0.0.1\0:80"sv, "NUL"},
      {"127.0.0.1:80\0"sv, "NUL"},
      {"[::1%\0]:80"sv, "NUL"},
      {"unix:", "no path"},
      {"unix:@", "no name after @"},
      {"unix:/a\0"sv, "NUL"},
      {"unix:\0a"sv, "NUL"},
      {"unix:@a\0"sv, "NUL"},
      {"unix:/a\\x00", "NUL byte in the path"},
      {"unix:/a\n", "written as its number: \\x0a"},
      {"unix:@\x7f", "written as its number: \\x7f"},
      {"unix:/a\\b", "\\x5c"},
      {"unix:/a\\x", "two hexadecimal digits"},
      {"unix:/a\\x5", "two hexadecimal digits"},
      {"unix:/a\\x5g", "two hexadecimal digits"},
      {"unix:/a\\x-5", "two hexadecimal digits"},
      {"UNIX:/a", "names are not"},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.text);
    const auto address = Address::parse(one.text);
    ASSERT_FALSE(address) << "taken for " << address->to_string();
    EXPECT_EQ(address.error().code(), Errc::kBadAddress);
    EXPECT_THAT(address.error().advice(), HasSubstr(one.advice));
  }
}

TEST(Address, OverlongTextIsNamedByItsBeginning) {
  const auto address = Address::parse(std::string(100'000, '1') + ":80");
  ASSERT_FALSE(address);
  EXPECT_THAT(address.error().advice(), HasSubstr("longer than any address"));
  EXPECT_LT(address.error().message().size(), 200U);
}

TEST(Address, AnErrorStaysOneLineOfPrintableText) {
  const auto address = Address::parse("127.0.0.1\n\x1b[31m:80");
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().subject(), "127.0.0.1\\x0a\\x1b[31m:80");
}

TEST(Address, HostAndPortMayComeApart) {
  EXPECT_EQ(Address::parse("127.0.0.1", 80), parsed("127.0.0.1:80"));
  EXPECT_EQ(Address::parse("*", 80), parsed("*:80"));
  EXPECT_EQ(Address::parse("", 80), parsed("*:80"));
  EXPECT_EQ(Address::parse("::1", 80), parsed("[::1]:80"));
  EXPECT_EQ(Address::parse("[::1]", 80), parsed("[::1]:80"));
  EXPECT_EQ(Address::parse("fe80::1%3", 80), parsed("[fe80::1%3]:80"));
  EXPECT_FALSE(Address::parse("127.0.0.1:80", 80));
  EXPECT_FALSE(Address::parse("[::1", 80));
  EXPECT_FALSE(Address::parse("[127.0.0.1]", 80));
  EXPECT_FALSE(Address::parse("localhost", 80));
  EXPECT_FALSE(Address::parse("::1\0"sv, 80));
}

TEST(Address, DefaultIsNoAddress) {
  const Address none;
  EXPECT_EQ(none.family(), AF_UNSPEC);
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(none.port(), 0);
  EXPECT_EQ(none.with_port(80), none);
  EXPECT_EQ(none.to_string(), "unspecified");
  EXPECT_FALSE(none.is_any());
  EXPECT_FALSE(none.is_loopback());
  EXPECT_NE(none, parsed(":0"));
}

TEST(Address, KnowsLoopbackAndAny) {
  for (const char* text : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"}) {
    EXPECT_TRUE(parsed(text).is_loopback()) << text;
    EXPECT_FALSE(parsed(text).is_any()) << text;
  }
  for (const char* text : {"*:1", "[::]:1"}) {
    EXPECT_TRUE(parsed(text).is_any()) << text;
    EXPECT_FALSE(parsed(text).is_loopback()) << text;
  }
  for (const char* text : {"128.0.0.1:1", "[::2]:1", "[::ffff:10.0.0.1]:1", "[127::]:1"}) {
    EXPECT_FALSE(parsed(text).is_loopback()) << text;
    EXPECT_FALSE(parsed(text).is_any()) << text;
  }
}

TEST(Address, PortCanBeExchanged) {
  EXPECT_EQ(parsed("10.0.0.1:1").with_port(65535), parsed("10.0.0.1:65535"));
  EXPECT_EQ(parsed("[fe80::1%3]:1").with_port(0), parsed("[fe80::1%3]:0"));
}

TEST(Address, ComparesAndHashes) {
  const std::vector<Address> all = {parsed("10.0.0.1:1"),    parsed("10.0.0.1:2"),
                                    parsed("10.0.0.2:1"),    parsed("[::1]:1"),
                                    parsed("[fe80::1%1]:1"), parsed("[fe80::1%2]:1"),
                                    parsed("[fe80::1]:1"),   parsed("[::ffff:10.0.0.1]:1"),
                                    parsed("unix:a"),        parsed("unix:@a"),
                                    parsed("unix:aa"),       parsed("unix:@a\\x00")};
  for (const Address& a : all) {
    for (const Address& b : all) {
      EXPECT_EQ(a == b, &a == &b);
      EXPECT_EQ((a < b) + (b < a), &a == &b ? 0 : 1);
    }
  }
  const std::unordered_set<Address> set(all.begin(), all.end());
  EXPECT_EQ(set.size(), all.size());
  EXPECT_TRUE(set.contains(parsed("[FE80::0:1%2]:1")));
}

TEST(Address, GivesAndTakesASockaddr) {
  const Address address = parsed("192.0.2.1:443");
  EXPECT_EQ(address.family(), AF_INET);
  ASSERT_EQ(address.size(), sizeof(sockaddr_in));
  sockaddr_in raw;
  memcpy(&raw, address.data(), sizeof(raw));
  EXPECT_EQ(ntohs(raw.sin_port), 443);
  EXPECT_EQ(ntohl(raw.sin_addr.s_addr), 0xC0000201U);
  memset(raw.sin_zero, 0x55, sizeof(raw.sin_zero));  // bytes without a meaning
  EXPECT_EQ(Address::from(reinterpret_cast<const sockaddr*>(&raw), sizeof(raw)), address);

  sockaddr_in6 raw6;
  memcpy(&raw6, parsed("[2001:db8::1]:443").data(), sizeof(raw6));
  raw6.sin6_flowinfo = htonl(7);
  raw6.sin6_scope_id = 7;
  EXPECT_EQ(Address::from(reinterpret_cast<const sockaddr*>(&raw6), sizeof(raw6)),
            parsed("[2001:db8::1]:443"));
}

TEST(Address, RefusesASockaddrThatItDoesNotKnow) {
  sockaddr_in6 raw = {.sin6_family = AF_INET6};
  const auto* address = reinterpret_cast<const sockaddr*>(&raw);
  EXPECT_TRUE(Address::from(address, sizeof(raw)));
  EXPECT_FALSE(Address::from(address, sizeof(raw) - 1));
  raw.sin6_family = AF_INET;
  EXPECT_FALSE(Address::from(address, sizeof(sockaddr_in) - 1));
  raw.sin6_family = AF_PACKET;
  EXPECT_THAT(Address::from(address, sizeof(raw)).error().message(), HasSubstr("family 17"));
  EXPECT_FALSE(Address::from(address, 0));
}

TEST(Address, AUnixSocketHasAPathOrAnAbstractNameAndNoPort) {
  const Address file = parsed("unix:/run/app.sock");
  EXPECT_EQ(file.family(), AF_UNIX);
  EXPECT_EQ(file.path(), "/run/app.sock");
  EXPECT_FALSE(file.is_abstract());
  EXPECT_EQ(file.abstract_name(), "");
  EXPECT_EQ(file.port(), 0);
  EXPECT_EQ(file.with_port(80), file);
  EXPECT_FALSE(file.is_loopback());
  EXPECT_FALSE(file.is_any());
  const Address abstract = parsed("unix:@app");
  EXPECT_EQ(abstract.family(), AF_UNIX);
  EXPECT_EQ(abstract.path(), "");
  EXPECT_TRUE(abstract.is_abstract());
  EXPECT_EQ(abstract.abstract_name(), "app");
  EXPECT_EQ(parsed("10.0.0.1:1").path(), "");
  EXPECT_FALSE(parsed("10.0.0.1:1").is_abstract());
  EXPECT_THAT(Address::parse("unix:/a", 80).error().advice(), HasSubstr("no port"));
}

TEST(Address, ANameThatDoesNotFitIsRefusedAndNeverCut) {
  for (const std::string start : {"unix:/", "unix:@1"}) {
    const std::string longest = start + std::string(106, 'x');
    EXPECT_EQ(parsed(longest).to_string(), longest);
    EXPECT_EQ(parsed(longest).size(), sizeof(sockaddr_un));
    const auto longer = Address::parse(longest + "x");
    ASSERT_FALSE(longer);
    EXPECT_EQ(longer.error().code(), Errc::kBadAddress);
    EXPECT_THAT(longer.error().advice(), HasSubstr("108 bytes"));
  }
  // The bytes count, not how they are written.
  std::string escaped = "unix:@";
  for (int i = 0; i < 107; ++i) escaped += "\\x01";
  EXPECT_EQ(parsed(escaped).abstract_name(), std::string(107, '\x01'));
  EXPECT_FALSE(Address::parse("unix:" + std::string(1'000'000, 'x')));
}

// unix(7): a path ends at a NUL or where the size says; of an abstract name every byte counts.
TEST(Address, TheSizeOfASockaddrSaysWhereAUnixSocketsNameEnds) {
  sockaddr_un raw = {.sun_family = AF_UNIX, .sun_path = {}};
  const auto* given = reinterpret_cast<const sockaddr*>(&raw);
  constexpr socklen_t kOffset = offsetof(sockaddr_un, sun_path);

  const auto unnamed = Address::from(given, kOffset);
  ASSERT_TRUE(unnamed);
  EXPECT_EQ(unnamed->family(), AF_UNIX);
  EXPECT_EQ(unnamed->size(), kOffset);
  EXPECT_EQ(unnamed->path(), "");
  EXPECT_FALSE(unnamed->is_abstract());
  EXPECT_EQ(unnamed->to_string(), "unix:");

  memcpy(raw.sun_path, "/a\0bc", 5);
  for (const socklen_t size : {kOffset + 2, kOffset + 3, kOffset + 5, socklen_t{sizeof raw}}) {
    EXPECT_EQ(Address::from(given, size), parsed("unix:/a")) << size;
  }
  memcpy(raw.sun_path, "\0a\0bc", 5);
  EXPECT_EQ(Address::from(given, kOffset + 2), parsed("unix:@a"));
  EXPECT_EQ(Address::from(given, kOffset + 3), parsed("unix:@a\\x00"));
  EXPECT_EQ(Address::from(given, kOffset + 5)->abstract_name(), "a\0bc"sv);
  EXPECT_NE(*Address::from(given, kOffset + 2), *Address::from(given, kOffset + 3));
}

TEST(Address, APathThatFillsEverythingHasNoNulBehindIt) {
  char raw[sizeof(sockaddr_un) + 1] = {};  // what getsockname(2) tells of it has one more byte
  const sa_family_t family = AF_UNIX;
  memcpy(raw, &family, sizeof family);
  memset(raw + sizeof family, 'x', sizeof(sockaddr_un::sun_path));
  const auto address = Address::from(reinterpret_cast<const sockaddr*>(raw), sizeof raw);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->size(), sizeof(sockaddr_un));
  EXPECT_EQ(address->path(), std::string(108, 'x'));
  EXPECT_EQ(Address::from(address->data(), address->size()), *address);
  raw[sizeof family] = '\0';
  EXPECT_FALSE(Address::from(reinterpret_cast<const sockaddr*>(raw), sizeof raw));
}

// Text made of the pieces that addresses are made of: much of it is nearly right.
std::string random_text(std::mt19937& random) {
  static const std::vector<std::string_view> pieces = {
      "1",     "0",   "9",     "255", "256", ".",    ".",      ".",      ":",       ":",
      "::",    "[",   "]",     "%",   "*",   "f",    "fe80::", "ff02::", "::ffff:", "127.0.0.1",
      "[::1]", "lo",  "-",     "+",   " ",   "\0"sv, "\xff",   "db8",    "65535",   "65536",
      "]:",    ":80", "unix:", "@",   "\\x", "5c",   "/"};
  std::string text;
  for (size_t count = random() % 12; count > 0; --count) text += pieces[random() % pieces.size()];
  return text;
}

TEST(Address, RandomTextIsRefusedOrGoesRoundTheCircle) {
  std::mt19937 random(20'250'101);
  int taken = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::string text = random_text(random);
    const auto address = Address::parse(text);
    if (!address) {
      ASSERT_FALSE(address.error().advice().empty()) << text;
      continue;
    }
    ++taken;
    ASSERT_EQ(Address::parse(address->to_string()), *address) << text;
  }
  EXPECT_GT(taken, 100);
}

TEST(Address, RandomSockaddrsGoRoundTheCircle) {
  std::mt19937 random(20'250'102);
  for (int i = 0; i < 20'000; ++i) {
    sockaddr_in6 raw = {.sin6_family = AF_INET6, .sin6_port = static_cast<in_port_t>(random())};
    // Many zero groups, so that all ways of writing them occur.
    for (size_t group = 0; group < 8; ++group) {
      if (random() % 2 == 0) raw.sin6_addr.s6_addr16[group] = static_cast<uint16_t>(random());
    }
    if (random() % 4 == 0) raw.sin6_addr.s6_addr16[0] = htons(0xfe80);
    raw.sin6_scope_id = random();
    const auto address = Address::from(reinterpret_cast<const sockaddr*>(&raw), sizeof(raw));
    ASSERT_TRUE(address);
    ASSERT_EQ(Address::parse(address->to_string()), *address) << address->to_string();
  }
}

}  // namespace
}  // namespace eddy
