// SHA-256 and HMAC by OpenSSL, hexadecimal digits, and percent-encoding as AWS defines it.

import COpenSSL

enum Digest {
    static let byteCount = 32

    static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let status = EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil)
        precondition(status == 1, "OpenSSL has no SHA-256")
        return digest
    }

    static func sha256(_ text: String) -> [UInt8] {
        Array(text.utf8).withUnsafeBytes { sha256($0) }
    }

    static func hmac(_ key: [UInt8], _ text: String) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let message = Array(text.utf8)
        let made = HMAC(
            EVP_sha256(), key, Int32(key.count), message, message.count, &digest, nil)
        precondition(made != nil, "OpenSSL has no HMAC-SHA256")
        return digest
    }

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// SHA-256 of bytes, as 64 hexadecimal digits.
package func sha256Hex(_ bytes: UnsafeRawBufferPointer) -> String {
    Digest.hex(Digest.sha256(bytes))
}

/// Percent-encodes all bytes of UTF-8 but the unreserved ones of RFC 3986 (and `/`, where it
/// separates segments), with upper-case digits: AWS's UriEncode.
package func uriEncoded(_ text: some StringProtocol, keepsSlash: Bool = false) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            bytes.append(byte)
        case UInt8(ascii: "/") where keepsSlash:
            bytes.append(byte)
        default:
            bytes.append(UInt8(ascii: "%"))
            bytes.append(digits[Int(byte >> 4)])
            bytes.append(digits[Int(byte & 15)])
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
