// Deterministic data: value = f(seed, stream, index), so that every rank computes what every other
// rank must have sent.

/// A counter-based generator (the finaliser of SplitMix64, Steele, Lea, Flood 2014).
struct Values: Sendable {
    let seed: UInt64

    func word(_ stream: Int, _ index: Int) -> UInt64 {
        var z = seed &+ UInt64(bitPattern: Int64(stream)) &* 0xD1B5_4A32_D192_ED03
        z = mix(z) &+ UInt64(bitPattern: Int64(index)) &* 0x9E37_79B9_7F4A_7C15
        return mix(z)
    }

    /// A number in 0 ..< bound.
    func number(below bound: Int, _ stream: Int, _ index: Int) -> Int {
        Int(word(stream, index).multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// `count` elements of arbitrary bytes; those of `stream` differ from those of any other.
    func elements<Element: BitwiseCopyable>(_ count: Int, stream: Int) -> [Element] {
        elements(Element.self, count, stream: stream)
    }

    func elements<Element: BitwiseCopyable>(
        _ type: Element.Type, _ count: Int, stream: Int
    ) -> [Element] {
        [Element](unsafeUninitializedCapacity: count) { buffer, initializedCount in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            let length = count * MemoryLayout<Element>.stride
            for index in 0..<(length + 7) / 8 {
                var word = word(stream, index).littleEndian
                withUnsafeBytes(of: &word) { word in
                    let rest = UnsafeMutableRawBufferPointer(
                        rebasing: bytes[(8 * index)..<min(8 * index + 8, length)])
                    rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: word[..<rest.count]))
                }
            }
            initializedCount = count
        }
    }

    private func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Elements of sizes no scalar has.
struct ThreeBytes: BitwiseCopyable { var a: UInt8, b: UInt8, c: UInt8 }
struct TwelveBytes: BitwiseCopyable { var a: Int32, b: Int32, c: Int32 }
struct SixteenBytes: BitwiseCopyable { var a: UInt64, b: UInt64 }

/// Lengths at and around the places where transports change protocol.
let lengths = [0, 1, 2, 7, 8, 63, 64, 65, 1000, 4095, 4096, 4097, 65535, 65536, 65537, 300_000]
