#include "certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace eddy::tls::test {
namespace {

constexpr long kDay = 86400;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using File = std::unique_ptr<FILE, CloseFile>;

Key make_key() {
  char curve[] = "P-256";
  return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  if (extension == nullptr) abort();
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate unsigned_certificate(EVP_PKEY* key, const std::string& common_name, int serial,
                                 int days) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), days * kDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

}  // namespace

struct Authority::Signer {
  Key key;
  Certificate certificate;
};

Authority::Authority(const std::string& common_name) : signer_(std::make_unique<Signer>()) {
  std::string name = std::filesystem::temp_directory_path() / "eddy-tls-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) abort();
  folder_ = name;
  signer_->key = make_key();
  signer_->certificate = unsigned_certificate(signer_->key.get(), common_name, 1, 1);
  X509* const own = signer_->certificate.get();
  X509_set_issuer_name(own, X509_get_subject_name(own));
  extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
  extend(own, own, NID_subject_key_identifier, "hash");
  X509_sign(own, signer_->key.get(), EVP_sha256());
  file_ = folder_ + "/ca.pem";
  PEM_write_X509(File(fopen(file_.c_str(), "w")).get(), own);
}

Authority::~Authority() { std::filesystem::remove_all(folder_); }

Authority::Files Authority::issue(const Wish& wish) {
  const Key key = make_key();
  const Certificate certificate =
      unsigned_certificate(key.get(), wish.common_name, ++issued_ + 1, wish.days);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer_->certificate.get()));
  if (!wish.names.empty()) {
    extend(certificate.get(), signer_->certificate.get(), NID_subject_alt_name, wish.names);
  }
  X509_sign(certificate.get(), signer_->key.get(), EVP_sha256());
  Files files = {.certificate = folder_ + "/" + std::to_string(issued_) + ".pem",
                 .key = folder_ + "/" + std::to_string(issued_) + ".key"};
  PEM_write_X509(File(fopen(files.certificate.c_str(), "w")).get(), certificate.get());
  PEM_write_PrivateKey(File(fopen(files.key.c_str(), "w")).get(), key.get(), nullptr, nullptr, 0,
                       nullptr, nullptr);
  return files;
}

std::string Authority::write(const std::string& name, const std::string& bytes) const {
  std::string path = folder_ + "/" + name;
  std::ofstream(path) << bytes;
  return path;
}

}  // namespace eddy::tls::test
