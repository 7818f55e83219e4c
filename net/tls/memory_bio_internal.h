// Where OpenSSL reads and writes records: in the memory of a session's caller.
//
// In the place of OpenSSL's own memory BIO, which would have each byte copied once more and keep
// what is not read yet: this one reads where the bytes lie.
#pragma once

#include <openssl/bio.h>

#include <string>
#include <string_view>

namespace eddy::tls {

// Outlives its BIO, at one place.
struct MemoryPipe {
  std::string_view input;  // what has come and was not read
  std::string output;      // what was written
};

// Null if there is no memory.
BIO* make_memory_bio(MemoryPipe& pipe) noexcept;

}  // namespace eddy::tls
