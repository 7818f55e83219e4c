# Sets EDDY_HAS_TLS: whether eddy::tls is built, which is OpenSSL's protocol without its sockets.

find_package(OpenSSL 3.0 COMPONENTS SSL Crypto QUIET)
if(OPENSSL_FOUND)
  set(EDDY_HAS_TLS ON)
else()
  set(EDDY_HAS_TLS OFF)
  message(STATUS "eddy: no OpenSSL 3 (Debian: libssl-dev), so eddy::tls is left out")
endif()
