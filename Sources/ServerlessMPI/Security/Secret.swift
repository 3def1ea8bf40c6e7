// Key material in memory that is wiped when the last user lets go of it. A class, so that copies
// of a configuration share the bytes instead of scattering them; its description never shows them.

import COpenSSL

/// Secret bytes: wiped on release, compared in constant time, never printed.
public final class Secret: Sendable {
    /// The length of every key and secret of this library, in bytes.
    public static let byteCount = 32

    // Written in init and wiped in deinit only, so sharing it is safe.
    private nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer

    /// Takes over what `fill` writes into zeroed memory of `byteCount` bytes.
    init(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        bytes = .allocate(byteCount: byteCount, alignment: 16)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        fill(bytes)
    }

    /// A copy of these bytes; the caller still owns, and wipes, the original.
    public convenience init(_ bytes: [UInt8]) {
        self.init(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Fresh random bytes from the system's generator.
    public static func random(byteCount: Int = Secret.byteCount) -> Secret {
        Secret(byteCount: byteCount) { buffer in
            let filled = RAND_bytes(
                buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(buffer.count))
            precondition(filled == 1, "the system has no random bytes")
        }
    }

    /// 64 hexadecimal digits, as the environment carries them; nil if they are anything else.
    public convenience init?(hex: String) {
        let digits = hex.utf8
        guard digits.count == 2 * Secret.byteCount, digits.allSatisfy({ hexValue($0) != nil })
        else { return nil }
        self.init(byteCount: Secret.byteCount) { buffer in
            var high: UInt8?
            var index = 0
            for digit in digits {
                let value = hexValue(digit) ?? 0
                if let upper = high {
                    buffer[index] = upper << 4 | value
                    index += 1
                    high = nil
                } else {
                    high = value
                }
            }
        }
    }

    deinit {
        OPENSSL_cleanse(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    public var count: Int { bytes.count }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        body(UnsafeRawBufferPointer(bytes))
    }

    /// The bytes as hexadecimal digits, for handing them to a rank's environment.
    public var hex: String { withBytes { hexDigits($0) } }

    public static func == (a: Secret, b: Secret) -> Bool {
        a.count == b.count
            && CRYPTO_memcmp(a.bytes.baseAddress, b.bytes.baseAddress, a.count) == 0
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    public var description: String { "(secret)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

func hexValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
}

func hexDigits(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
