// Inputs of benchmarks: a value depends on nothing but (seed, frame, column, global row), so a
// table is the same at every number of ranks, and numpy makes the same one for the peers.
//
// All arithmetic is on UInt64 and wraps; ^ is exclusive or, >> a logical shift.
//
//     mix(x):  x ^= x >> 30;  x *= 0xBF58476D1CE4E5B9
//              x ^= x >> 27;  x *= 0x94D049BB133111EB
//              x ^= x >> 31                                         (splitmix64's finaliser)
//     stream(seed, frame, column) = mix(mix(mix(seed) + frame) + column)
//     word(stream, row)           = mix(stream + (row + 1) * 0x9E3779B97F4A7C15)
//     uniform(word, bound)        = ((word >> 32) * bound) >> 32         for bound <= 2^32
//                                 = word % bound                         for greater bounds
//     unit(word)                  = (word >> 11) * 2^-53                 a float64 in [0, 1)
//
// Each value's probability is within a share of bound / 2^32 of 1 / bound: 0.3 % at 10 million.

/// One column of one frame.
public struct CounterGenerator: Sendable {
    private let stream: UInt64

    public init(seed: UInt64, frame: UInt64, column: UInt64) {
        stream = Self.mix(Self.mix(Self.mix(seed) &+ frame) &+ column)
    }

    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// The 64 random bits of a global row.
    @inline(__always)
    public func word(_ row: Int) -> UInt64 {
        Self.mix(stream &+ (UInt64(truncatingIfNeeded: row) &+ 1) &* 0x9E37_79B9_7F4A_7C15)
    }

    /// The int64 column of global rows `rows`: uniform in `0 ..< bound`. Local; a pass of writing.
    public func uniform(below bound: Int64, rows: Range<Int>) -> Column {
        precondition(bound > 0, "a range of \(bound) values")
        let buffer = Buffer(byteCount: rows.count * 8)
        let values = buffer.elements(as: UInt64.self)
        let bound = UInt64(bound)
        if bound <= 1 << 32 {
            for index in 0..<rows.count {
                values[index] = ((word(rows.lowerBound &+ index) >> 32) &* bound) >> 32
            }
        } else {
            for index in 0..<rows.count {
                values[index] = word(rows.lowerBound &+ index) % bound
            }
        }
        return Column(type: .int64, count: rows.count, values: buffer)
    }

    /// The float64 column of global rows `rows`: uniform in [0, 1). Local; a pass of writing.
    public func unit(rows: Range<Int>) -> Column {
        let buffer = Buffer(byteCount: rows.count * 8)
        let values = buffer.elements(as: Double.self)
        for index in 0..<rows.count {
            values[index] = Double(word(rows.lowerBound &+ index) >> 11) * 0x1p-53
        }
        return Column(type: .float64, count: rows.count, values: buffer)
    }
}
