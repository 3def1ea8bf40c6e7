// What protects a STUN message: MESSAGE-INTEGRITY by the long-term credential (RFC 8489 §9.2,
// §14.5) and FINGERPRINT (§14.7). The hashes are old because the standard is: they guard the
// TURN server's quota, not the job, whose ranks prove themselves to each other afterwards.

import COpenSSL

/// The key of a long-term credential.
struct STUNKey: Sendable {
    let secret: Secret

    /// MD5 over `username:realm:password`; nil where the system's OpenSSL has no MD5 (FIPS).
    init?(username: String, realm: String, password: Secret) {
        var text = Array("\(username):\(realm):".utf8)
        password.withBytes { text += $0 }
        defer { KeyDerivation.wipe(&text) }
        var digest = [UInt8](repeating: 0, count: 16)
        defer { KeyDerivation.wipe(&digest) }
        guard EVP_Digest(text, text.count, &digest, nil, EVP_md5(), nil) == 1 else { return nil }
        secret = Secret(digest)
    }

    /// The key of a short-term credential: the password itself (RFC 8489 §9.1.1).
    init(shortTerm password: Secret) { secret = password }

    fileprivate func authenticate(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: STUNMessage.integrityByteCount)
        secret.withBytes { key in
            let made = HMAC(
                EVP_sha1(), key.baseAddress, Int32(key.count), bytes, bytes.count, &digest, nil)
            precondition(made != nil, "OpenSSL has no HMAC-SHA1")
        }
        return digest
    }
}

extension STUNMessage {
    static let integrityByteCount = 20
    private static let fingerprintMask: UInt32 = 0x5354_554e

    /// The bytes with MESSAGE-INTEGRITY at their end.
    func encoded(signedWith key: STUNKey) -> [UInt8] {
        var bytes = encoded
        let count = bytes.count - Self.headerByteCount + 4 + Self.integrityByteCount
        Self.setBodyByteCount(count, &bytes)
        var writer = BigEndianWriter(bytes: bytes)
        STUNAttribute(.messageIntegrity, key.authenticate(bytes)).write(to: &writer)
        return writer.bytes
    }

    /// Is there a MESSAGE-INTEGRITY in these bytes of a message, and was it made with this key?
    static func isAuthentic(_ bytes: [UInt8], key: STUNKey) -> Bool {
        guard let offset = offset(of: .messageIntegrity, in: bytes),
            bytes.bigEndian(UInt16.self, at: offset + 2) == UInt16(integrityByteCount)
        else { return false }
        // What follows (a fingerprint) was added later and is not covered.
        var covered = Array(bytes[..<offset])
        setBodyByteCount(offset - headerByteCount + 4 + integrityByteCount, &covered)
        let expected = key.authenticate(covered)
        let found = Array(bytes[offset + 4..<offset + 4 + integrityByteCount])
        return CRYPTO_memcmp(expected, found, expected.count) == 0
    }

    /// Does the last attribute, if it is a fingerprint, fit the bytes before it?
    static func hasSoundFingerprint(_ bytes: [UInt8]) -> Bool {
        guard let offset = offset(of: .fingerprint, in: bytes) else { return true }
        guard offset + 8 == bytes.count, bytes.bigEndian(UInt16.self, at: offset + 2) == 4 else {
            return false
        }
        return bytes.bigEndian(UInt32.self, at: offset + 4)
            == crc32(bytes[..<offset]) ^ fingerprintMask
    }

    /// Where an attribute begins in the bytes of a message that has been decoded already.
    private static func offset(of kind: STUNAttribute.Kind, in bytes: [UInt8]) -> Int? {
        var offset = headerByteCount
        while offset + 4 <= bytes.count {
            let padded = (Int(bytes.bigEndian(UInt16.self, at: offset + 2)) + 3) / 4 * 4
            guard offset + 4 + padded <= bytes.count else { return nil }
            if bytes.bigEndian(UInt16.self, at: offset) == kind.rawValue { return offset }
            offset += 4 + padded
        }
        return nil
    }

    private static func setBodyByteCount(_ count: Int, _ bytes: inout [UInt8]) {
        bytes[2] = UInt8(truncatingIfNeeded: count >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: count)
    }

    /// The CRC of ITU V.42, as in Ethernet and gzip.
    private static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder >> 1 ^ (remainder & 1 != 0 ? 0xedb8_8320 : 0)
            }
        }
        return ~remainder
    }
}
