// The parts of OpenSSL 3 that ServerlessMPI uses: TLS 1.3 with an external PSK, HKDF, HMAC,
// random bytes, constant-time comparison.
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
