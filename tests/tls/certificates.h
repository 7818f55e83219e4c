// Certificates of a test's own, as files that are gone with it.
#pragma once

#include <memory>
#include <string>

namespace eddy::tls::test {

class Authority {
 public:
  struct Wish {
    std::string common_name = "server";
    std::string names = "DNS:localhost,IP:127.0.0.1";  // what it is for
    int days = 1;                                      // from yesterday until then
  };
  struct Files {
    std::string certificate;
    std::string key;
  };

  explicit Authority(const std::string& common_name);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  // Its own certificate.
  const std::string& file() const { return file_; }
  Files issue(const Wish& wish);
  // A file beside them.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  struct Signer;
  std::string folder_;
  std::string file_;
  std::unique_ptr<Signer> signer_;
  int issued_ = 0;
};

}  // namespace eddy::tls::test
