// Sum, count, least and greatest of a float64 column in one pass over values and validity: the pass
// is bound by memory, so that all four cost what one does.

/// What is known of the values of a column, nulls left out.
struct FloatSummary {
    /// Added up eightfold, as one sum would wait for itself: its last bits differ from adding in
    /// order.
    private(set) var sum = 0.0
    private(set) var count = 0
    /// Of the values that are not NaN; infinite also if there is none.
    private(set) var least = Double.infinity
    private(set) var greatest = -Double.infinity

    private typealias Pair = SIMD2<Double>

    private struct Lanes {
        var sums = (Pair.zero, Pair.zero, Pair.zero, Pair.zero)
        var least = (Pair(repeating: .infinity), Pair(repeating: .infinity))
        var greatest = (Pair(repeating: -.infinity), Pair(repeating: -.infinity))
    }

    /// All ones for the set bits among the two lowest.
    private static let masks: [SIMD2<UInt64>] = [
        SIMD2(0, 0), SIMD2(.max, 0), SIMD2(0, .max), SIMD2(.max, .max),
    ]

    init(_ chunks: [Column]) {
        for chunk in chunks { add(Kernels.widened(chunk)) }
    }

    private mutating func add(_ column: Column) {
        let values = UnsafeRawPointer(column.pointer(as: Double.self))
        defer { withExtendedLifetime(column) {} }
        count += column.count - column.nullCount
        var lanes = Lanes()
        var row = 0
        Self.masks.withUnsafeBufferPointer { masks in
            while row &+ 64 <= column.count {
                let block = values + row &* 8
                if let word = column.validity?.word(at: row), word != .max {
                    Self.add(block, word, masks, to: &lanes)
                } else {
                    Self.add(block, to: &lanes)
                }
                row &+= 64
            }
        }
        let (first, second) = (lanes.sums.0 + lanes.sums.1, lanes.sums.2 + lanes.sums.3)
        sum += (first + second).sum()
        note(lanes.least.0[0], lanes.greatest.0[0])
        note(lanes.least.0[1], lanes.greatest.0[1])
        note(lanes.least.1[0], lanes.greatest.1[0])
        note(lanes.least.1[1], lanes.greatest.1[1])
        for row in row..<column.count where !column.isNull(at: row) {
            let value = column.pointer(as: Double.self)[row]
            sum += value
            note(value, value)
        }
    }

    private mutating func note(_ low: Double, _ high: Double) {
        // A comparison with NaN is false, and keeps what there is.
        if low < least { least = low }
        if high > greatest { greatest = high }
    }

    /// 64 values.
    @inline(__always)
    private static func add(_ block: UnsafeRawPointer, to lanes: inout Lanes) {
        for index in 0..<16 {
            let place = block + index &* 32
            let first = place.loadUnaligned(as: Pair.self)
            let second = place.loadUnaligned(fromByteOffset: 16, as: Pair.self)
            if index & 1 == 0 {
                lanes.sums.0 += first
                lanes.sums.1 += second
            } else {
                lanes.sums.2 += first
                lanes.sums.3 += second
            }
            lanes.least.0.replace(with: first, where: first .< lanes.least.0)
            lanes.least.1.replace(with: second, where: second .< lanes.least.1)
            lanes.greatest.0.replace(with: first, where: first .> lanes.greatest.0)
            lanes.greatest.1.replace(with: second, where: second .> lanes.greatest.1)
        }
    }

    /// 64 values, of which those count whose bit is set.
    @inline(__always)
    private static func add(
        _ block: UnsafeRawPointer, _ word: UInt64, _ masks: UnsafeBufferPointer<SIMD2<UInt64>>,
        to lanes: inout Lanes
    ) {
        var word = word
        for index in 0..<16 {
            let place = block + index &* 32
            let firstMask = masks[Int(truncatingIfNeeded: word & 3)]
            let secondMask = masks[Int(truncatingIfNeeded: word >> 2 & 3)]
            word >>= 4
            let first = place.loadUnaligned(as: SIMD2<UInt64>.self)
            let second = place.loadUnaligned(fromByteOffset: 16, as: SIMD2<UInt64>.self)
            // Zero adds nothing; NaN, all ones, is neither less nor greater.
            if index & 1 == 0 {
                lanes.sums.0 += unsafeBitCast(first & firstMask, to: Pair.self)
                lanes.sums.1 += unsafeBitCast(second & secondMask, to: Pair.self)
            } else {
                lanes.sums.2 += unsafeBitCast(first & firstMask, to: Pair.self)
                lanes.sums.3 += unsafeBitCast(second & secondMask, to: Pair.self)
            }
            let firstValue = unsafeBitCast(first | ~firstMask, to: Pair.self)
            let secondValue = unsafeBitCast(second | ~secondMask, to: Pair.self)
            lanes.least.0.replace(with: firstValue, where: firstValue .< lanes.least.0)
            lanes.least.1.replace(with: secondValue, where: secondValue .< lanes.least.1)
            lanes.greatest.0.replace(with: firstValue, where: firstValue .> lanes.greatest.0)
            lanes.greatest.1.replace(with: secondValue, where: secondValue .> lanes.greatest.1)
        }
    }

    /// The aggregate as a column of one value; nil for what is not known: extremes that are not
    /// finite, and other functions.
    func result(_ function: GroupAggregate.Function) -> Column? {
        switch function {
        case .sum, .floatSum: Column([sum])
        case .count: Column([Int64(count)])
        case .min: least.isFinite ? Column([least]) : nil
        case .max: greatest.isFinite ? Column([greatest]) : nil
        case .len: nil
        }
    }
}
