// HKDF with SHA-256 (RFC 5869) and the MAC under it (RFC 2104). OpenSSL does the hashing; the
// few lines around it are here because they are what the test vectors check.

import COpenSSL

enum KeyDerivation {
    static let digestByteCount = 32

    /// HMAC-SHA256.
    static func authenticate(_ message: [UInt8], with key: Secret) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: digestByteCount)
        key.withBytes { key in
            let made = HMAC(
                EVP_sha256(), key.baseAddress, Int32(key.count), message, message.count, &digest,
                nil)
            precondition(made != nil, "OpenSSL has no HMAC-SHA256")
        }
        return digest
    }

    /// Is `tag` the MAC of `message`? In constant time.
    static func isAuthentic(_ message: [UInt8], _ tag: [UInt8], with key: Secret) -> Bool {
        let expected = authenticate(message, with: key)
        return tag.count == expected.count && CRYPTO_memcmp(expected, tag, tag.count) == 0
    }

    /// HKDF-Extract, then HKDF-Expand.
    static func hkdf(
        _ inputKey: Secret, salt: [UInt8], info: [UInt8], byteCount: Int = Secret.byteCount
    ) -> Secret {
        precondition(byteCount <= 255 * digestByteCount)
        var pseudorandom = inputKey.withBytes { authenticate(Array($0), with: Secret(salt)) }
        let pseudorandomKey = Secret(pseudorandom)
        wipe(&pseudorandom)
        return Secret(byteCount: byteCount) { output in
            var block: [UInt8] = []
            var offset = 0
            for counter in 1...UInt8((byteCount + digestByteCount - 1) / digestByteCount) {
                block = authenticate(block + info + [counter], with: pseudorandomKey)
                let count = min(digestByteCount, byteCount - offset)
                UnsafeMutableRawBufferPointer(rebasing: output[offset..<offset + count])
                    .copyBytes(from: block.prefix(count))
                offset += count
            }
            wipe(&block)
        }
    }

    /// Overwrites key material in an array that is about to go.
    static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
