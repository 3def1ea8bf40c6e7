// Which process is claiming a rank. A retried or doubled invocation has another one, so the
// server can tell a rank that comes again from an impostor or a duplicate.

import COpenSSL

/// 128 bits that name one start of one process.
public struct RequestID: Sendable, Hashable {
    static let byteCount = 16
    let bytes: [UInt8]

    /// Sixteen bytes from the wire.
    init?(wire bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    public static func random() -> RequestID {
        Secret.random(byteCount: byteCount).withBytes { RequestID(unchecked: Array($0)) }
    }

    /// From a platform's own name for the invocation: the first half of its SHA-256.
    public init(naming text: String) {
        var digest = [UInt8](repeating: 0, count: 32)
        let name = Array(text.utf8)
        let status = EVP_Digest(name, name.count, &digest, nil, EVP_sha256(), nil)
        precondition(status == 1, "OpenSSL has no SHA-256")
        self.init(unchecked: Array(digest.prefix(Self.byteCount)))
    }

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }
}
