// URLs: what is read out of them, and why others are refused.
#include <eddy/net/http/url.h>
#include <gtest/gtest.h>

#include <string>

namespace eddy::http::test {
namespace {

TEST(HttpUrl, Parts) {
  struct Case {
    const char* text;
    bool is_https;
    const char* host;
    uint16_t port;
    const char* target;
    const char* authority;
    bool host_is_address = false;
  };
  static constexpr Case kCases[] = {
      {"http://example.org", false, "example.org", 80, "/", "example.org"},
      {"https://example.org/", true, "example.org", 443, "/", "example.org"},
      {"HTTPS://Example.ORG:443/A", true, "example.org", 443, "/A", "example.org"},
      {"http://example.org:8080/a/b?c=d&e=%20", false, "example.org", 8080, "/a/b?c=d&e=%20",
       "example.org:8080"},
      {"https://a:80", true, "a", 80, "/", "a:80"},
      {"http://a?q=/", false, "a", 80, "/?q=/", "a"},
      {"http://a:/", false, "a", 80, "/", "a"},
      {"http://a:00081/", false, "a", 81, "/", "a:81"},
      {"http://a/b#c?d", false, "a", 80, "/b", "a"},
      {"http://a#b@c", false, "a", 80, "/", "a"},
      {"http://a/@b:c;d,e~f!$'()*+", false, "a", 80, "/@b:c;d,e~f!$'()*+", "a"},
      {"http://my_host-1.local.", false, "my_host-1.local.", 80, "/", "my_host-1.local."},
      {"http://192.0.2.1:8000/x", false, "192.0.2.1", 8000, "/x", "192.0.2.1:8000", true},
      {"http://[::1]", false, "::1", 80, "/", "[::1]", true},
      {"https://[2001:DB8::1]:65535?", true, "2001:db8::1", 65535, "/?", "[2001:db8::1]:65535",
       true},
      {"http://[::ffff:192.0.2.1]/", false, "::ffff:192.0.2.1", 80, "/", "[::ffff:192.0.2.1]",
       true},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.text);
    const auto url = Url::parse(one.text);
    ASSERT_TRUE(url) << url.error().message();
    EXPECT_EQ(url->is_https, one.is_https);
    EXPECT_EQ(url->host, one.host);
    EXPECT_EQ(url->port, one.port);
    EXPECT_EQ(url->target, one.target);
    EXPECT_EQ(url->authority(), one.authority);
    EXPECT_EQ(url->host_is_address(), one.host_is_address);
  }
}

TEST(HttpUrl, WhatIsRefusedIsToldWhy) {
  struct Case {
    std::string text;
    const char* why;
  };
  const Case cases[] = {
      {"", "begins with http://"},
      {"example.org", "begins with http://"},
      {"//example.org/", "begins with http://"},
      {"http:/example.org", "begins with http://"},
      {"ftp://example.org/", "the scheme is http or https"},
      {" http://a", "the scheme is http or https"},
      {"http://", "there is no host"},
      {"http:///a", "there is no host"},
      {"http://:80/", "there is no host"},
      {"http://user:secret@a/", "a user in a URL"},
      {"http://a b/", "a host is letters"},
      {"http://caf\xc3\xa9/", "a host is letters"},
      {"http://a%20b/", "a host is letters"},
      {"http://a\r\nX: y/", "a host is letters"},
      {"http://a..b/", "is empty"},
      {"http://.a/", "is empty"},
      {"http://" + std::string(254, 'a'), "at most 253"},
      {"http://256.0.0.1/", "IPv4 is four numbers"},
      {"http://1.2.3/", "IPv4 is four numbers"},
      {"http://01.2.3.4/", "IPv4 is four numbers"},
      {"http://2130706433/", "IPv4 is four numbers"},
      {"http://::1/", "stands in brackets"},
      {"http://[::1/", "no ]"},
      {"http://[]/", "no IPv6 address"},
      {"http://[192.0.2.1]/", "no IPv6 address"},
      {"http://[::1%25lo]/", "no IPv6 address"},
      {"http://[fe80::1%lo]/", "no IPv6 address"},
      {"http://[v1.a:b]/", "no IPv6 address"},
      {"http://[::1]80", "after ]"},
      {"http://[::1]:8:0", "the port is a number"},
      {"http://a:0/", "from 1 to 65535"},
      {"http://a:65536/", "from 1 to 65535"},
      {"http://a:8o/", "from 1 to 65535"},
      {"http://a:-1/", "from 1 to 65535"},
      {"http://a:+1/", "from 1 to 65535"},
      {"http://a/b c", "must be percent-encoded"},
      {"http://a/\xc3\xa9", "\\xc3 must be percent-encoded"},
      {"http://a/\r\n", "\\x0d must be percent-encoded"},
      {std::string("http://a/\0", 10), "\\x00 must be percent-encoded"},
      {"http://a/<>", "must be percent-encoded"},
      {"http://a/?[]", "must be percent-encoded"},
      {"http://a/%", "two hexadecimal digits"},
      {"http://a/%1", "two hexadecimal digits"},
      {"http://a/%1g", "two hexadecimal digits"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.text);
    const auto url = Url::parse(one.text);
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().code(), eddy::Errc::kBadAddress);
    EXPECT_TRUE(url.error().message().contains(one.why)) << url.error().message();
    EXPECT_FALSE(url.error().message().contains('\n'));
  }
}

}  // namespace
}  // namespace eddy::http::test
