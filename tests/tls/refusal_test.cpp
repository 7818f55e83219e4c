// What is refused, by whom, and in which words.
#include <eddy/net/tls/error.h>
#include <openssl/ssl.h>

#include <random>

#include "pair.h"

namespace eddy::tls::test {
namespace {

using Event = Session::Event;

// The client's handshake fails with a certificate's error, and the server hears of it.
void expect_refused(const Context& client, const Context& server, std::string_view name,
                    std::string_view words) {
  Pair both(client, server, name);
  both.run();
  ASSERT_TRUE(both.client.failure) << words;
  EXPECT_EQ(both.client.cause(), words);
  EXPECT_TRUE(is_certificate_error(both.client.failure->code()));
  EXPECT_EQ(both.client.handshakes, 0);
  EXPECT_NE(both.server.cause().find("alert"), std::string::npos) << both.server.cause();
  EXPECT_FALSE(is_certificate_error(both.server.failure->code()));
}

Context serving(const Authority::Wish& wish) {
  const Authority::Files files = authority().issue(wish);
  return made({.role = Context::Role::kServer,
               .certificate_file = files.certificate,
               .key_file = files.key});
}

TEST(TlsRefusal, ACertificateForAnotherName) {
  const Context client = made(client_options());
  const Context server = made(server_options());
  expect_refused(client, server, "example.org", "hostname mismatch");
  expect_refused(client, server, "127.0.0.2", "IP address mismatch");
  expect_refused(client, server, "::1", "IP address mismatch");
  expect_refused(client, serving({.names = "DNS:*.example.org"}), "a.b.example.org",
                 "hostname mismatch");
  Pair both(client, server, "example.org");
  both.run();
  EXPECT_TRUE(is_name_mismatch(both.client.failure->code()));
  EXPECT_EQ(both.client.failure->message(),
            "TLS handshake with example.org: hostname mismatch (the certificate of CN=server)");
}

TEST(TlsRefusal, ACertificateForTheNameOrAddressIsTaken) {
  const Context client = made(client_options());
  const Context server =
      serving({.names = "DNS:*.example.org,DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"});
  for (const char* name : {"localhost", "LOCALHOST", "a.example.org", "127.0.0.1", "::1"}) {
    Pair both(client, server, name);
    both.run();
    EXPECT_TRUE(both.stands()) << name << ": " << both.client.cause();
    EXPECT_EQ(both.server.session.server_name(), std::string_view(name).contains("1") ? "" : name);
  }
}

TEST(TlsRefusal, ACertificateThatIsNotToBeTrusted) {
  const Context client = made(client_options());
  expect_refused(client, serving({.days = -1}), "localhost", "certificate has expired");
  const Authority other("Another authority");
  expect_refused(made({.ca_file = other.file()}), made(server_options()), "localhost",
                 "unable to get local issuer certificate");
}

TEST(TlsRefusal, WhoDoesNotVerifyTakesAnyCertificate) {
  for (const char* name : {"", "example.org", "10.0.0.1"}) {
    Pair both(made({.verify = false}), serving({.days = -1}), name);
    both.run();
    EXPECT_TRUE(both.stands()) << both.client.cause();
  }
}

TEST(TlsRefusal, AVerifyingClientMustKnowWhomItExpects) {
  const Context client = made(client_options());
  EXPECT_EQ(Session::make(client).error().code(), Errc::kBadPeerName);
  EXPECT_EQ(Session::make(client, std::string_view("localhost\0.evil", 15)).error().code(),
            Errc::kBadPeerName);
  EXPECT_EQ(Session::make(client, std::string(300, 'a')).error().code(), Errc::kBadPeerName);
}

TEST(TlsRefusal, AServerThatDemandsACertificate) {
  Context::Options demanding = server_options();
  demanding.verify = true;
  demanding.ca_file = authority().file();
  Authority stranger("Stranger");
  const Authority::Files unknown = stranger.issue({.common_name = "client", .names = ""});
  const Authority::Files none;
  for (const Authority::Files& files : {none, unknown}) {
    for (const auto version : {Context::Version::kTls12, Context::Version::kTls13}) {
      Context::Options options = client_options();
      options.certificate_file = files.certificate;
      options.key_file = files.key;
      options.highest = version;
      Pair both(made(options), made(demanding));
      both.run();
      ASSERT_TRUE(both.server.failure);
      EXPECT_EQ(both.server.cause(), files.key.empty() ? "peer did not return a certificate"
                                                       : "unable to get local issuer certificate");
      // TLS 1.3's client has finished by then, and hears of it afterwards.
      EXPECT_EQ(both.client.handshakes, version == Context::Version::kTls13 ? 1 : 0);
      EXPECT_NE(both.client.cause().find("alert"), std::string::npos) << both.client.cause();
    }
  }
}

TEST(TlsRefusal, NoProtocolInCommon) {
  Context::Options client = client_options();
  Context::Options server = server_options();
  client.alpn = {"h2"};
  server.alpn = {"http/1.1", "http/1.0"};
  Pair both(made(client), made(server));
  both.run();
  EXPECT_EQ(both.client.cause(), "tlsv1 alert no application protocol");
  EXPECT_TRUE(both.server.failure);
  // Who offers none is served.
  client.alpn = {};
  Pair other(made(client), made(server));
  other.run();
  EXPECT_TRUE(other.stands());
  EXPECT_EQ(other.client.session.alpn(), "");
}

TEST(TlsRefusal, NoVersionInCommon) {
  Context::Options client = client_options();
  Context::Options server = server_options();
  client.highest = Context::Version::kTls12;
  server.lowest = Context::Version::kTls13;
  Pair both(made(client), made(server));
  both.run();
  EXPECT_EQ(both.client.cause(), "tlsv1 alert protocol version");
  EXPECT_EQ(both.server.cause(), "unsupported protocol");
}

TEST(TlsRefusal, Renegotiation) {
  // A client of OpenSSL's own, since no Session asks for it.
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  SSL* client = SSL_new(context);
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(client, in, out);
  Side server(*Session::make(made(server_options())));
  char room[4096];
  const auto exchange = [&] {
    for (int i = 0; i < 6; ++i) {
      SSL_do_handshake(client);
      char* bytes = nullptr;
      const long size = BIO_get_mem_data(out, &bytes);
      server.take({bytes, static_cast<size_t>(size)});
      BIO_reset(out);
      const std::string answer = server.flush();
      BIO_write(in, answer.data(), static_cast<int>(answer.size()));
      SSL_read(client, room, sizeof(room));
    }
  };
  SSL_set_connect_state(client);
  exchange();
  EXPECT_TRUE(server.session.is_established());
  EXPECT_EQ(SSL_renegotiate(client), 1);
  exchange();
  EXPECT_EQ(SSL_is_init_finished(client), 0);
  EXPECT_EQ(server.handshakes, 1);
  SSL_free(client);
  SSL_CTX_free(context);
}

TEST(TlsRefusal, Garbage) {
  for (const std::string_view bytes :
       {std::string_view("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), std::string_view("SSH-2.0-x\r\n"),
        std::string_view("\x16\x03\x01\xff\xff", 5), std::string_view("\0\0\0\0\0\0\0\0", 8)}) {
    for (const bool is_client : {false, true}) {
      Side side(is_client ? *Session::make(made(client_options()), "localhost")
                          : *Session::make(made(server_options())));
      side.flush();
      side.take(bytes);
      if (!side.failure) side.failure = side.session.finish().error();
      EXPECT_FALSE(side.cause().empty());
      const std::string first = side.cause();
      side.failure.reset();
      side.take("more");  // it stays as it is
      EXPECT_EQ(side.cause(), first);
    }
  }
  Side client(*Session::make(made(client_options()), "localhost"));
  client.take("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(client.cause(),
            "wrong version number: what the peer speaks there is most likely not TLS");
}

TEST(TlsRefusal, ARecordThatWasChangedOnItsWay) {
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    Pair both(made(client_options()), made(server_options()));
    both.run();
    ASSERT_TRUE(both.client.session.send("the amount is 100"));
    std::string record = both.client.flush();
    const size_t place = 5 + random() % (record.size() - 5);
    record[place] = static_cast<char>(record[place] ^ (1 << random() % 8));
    both.server.take(record);
    EXPECT_EQ(both.server.cause(), "decryption failed or bad record mac");
    EXPECT_EQ(both.server.received, "");
    both.client.take(both.server.flush());  // the alert
    EXPECT_NE(both.client.cause().find("alert bad record mac"), std::string::npos);
  }
}

TEST(TlsRefusal, FilesThatAreNotWhatTheyShouldBe) {
  const auto refused = [](const Context::Options& options) {
    const auto context = Context::make(options);
    return context ? std::string() : context.error().message();
  };
  const std::string text = authority().write("text", "nothing in PEM\n");
  EXPECT_EQ(
      refused({.ca_file = "/nowhere/ca.pem"}).find("load certificates /nowhere/ca.pem: No such"),
      0U);
  EXPECT_NE(refused({.ca_file = text}).find(text), std::string::npos);
  EXPECT_NE(refused({.certificate_file = text}).find("no start line"), std::string::npos);
  EXPECT_NE(refused({.certificate_file = server_files().certificate, .key_file = text})
                .find("load key " + text),
            std::string::npos);
  EXPECT_NE(refused({.certificate_file = server_files().certificate}).find("load key"),
            std::string::npos);
  EXPECT_NE(refused({.certificate_file = server_files().certificate,
                     .key_file = authority().issue({}).key})
                .find("mismatch"),
            std::string::npos);
  EXPECT_NE(refused({.alpn = {"http/1.1", ""}}).find("ALPN"), std::string::npos);
  EXPECT_NE(refused({.alpn = {std::string(256, 'a')}}).find("ALPN"), std::string::npos);
}

TEST(TlsRefusal, AServerWithoutACertificate) {
  Pair both(made(client_options()), made({.role = Context::Role::kServer}));
  both.run();
  EXPECT_EQ(both.server.cause(), "no shared cipher");
  EXPECT_TRUE(both.client.failure);
}

}  // namespace
}  // namespace eddy::tls::test
