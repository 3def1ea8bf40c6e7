// Exact quantiles of values that stay on their ranks. Values are looked up by the bits of a word whose
// order is theirs: ranks count how many of their values fall into each of 2048 ranges, add up, and
// look closer at the one that holds the value sought. Six such rounds leave one word.

import MessagePassing

/// A value sought by its place in the order of all ranks' values.
private struct PlaceSearch {
    /// This rank's values that it may be yet, as words.
    var words: [UInt64]
    /// Its place among all ranks' such words, from 0.
    var place: Int64
    /// The bits known.
    var prefix: UInt64 = 0
}

extension StepRun {
    /// A quantile per column and share, interpolated as on one rank; null of no values. Collective;
    /// size > 1. Cost: a pass over each column, then over what is left of it; one exchange, and seven
    /// allreduces, of at most 32 KiB per quantile.
    func quantiles(
        _ wanted: [(column: Column, share: Double)]
    ) throws(FrameError) -> [Double?] {
        _ = try open(header())
        let words = wanted.map { Self.words($0.column) }
        let counts = try sumOverRanks(words.map { Int64($0.count) })
        var selections: [PlaceSearch] = []
        for (index, request) in wanted.enumerated() where counts[index] > 0 {
            let (below, above) = Self.places(request.share, counts[index])
            selections.append(PlaceSearch(words: words[index], place: below))
            selections.append(PlaceSearch(words: words[index], place: above))
        }
        try select(&selections)
        var found = selections.map { Self.value(ofWord: $0.prefix) }[...]
        return wanted.indices.map { index -> Double? in
            guard counts[index] > 0, let low = found.popFirst(), let high = found.popFirst() else {
                return nil
            }
            let part = Self.part(wanted[index].share, counts[index])
            return Kernels.interpolated(low, high, part)
        }
    }

    private static func places(_ share: Double, _ count: Int64) -> (Int64, Int64) {
        let below = min(Int64(share * Double(count - 1)), count - 1)
        return (below, min(below + 1, count - 1))
    }

    private static func part(_ share: Double, _ count: Int64) -> Double {
        share * Double(count - 1) - Double(places(share, count).0)
    }

    private static let rangeBits = 11
    private static let rangeCount = 1 << rangeBits

    /// Finds all words, round by round. Collective.
    private func select(_ selections: inout [PlaceSearch]) throws(FrameError) {
        if selections.isEmpty { return }
        var bitsLeft = 64
        while bitsLeft > 0 {
            let bits = min(Self.rangeBits, bitsLeft)
            bitsLeft -= bits
            let shift = UInt64(bitsLeft)
            let mask: UInt64 = 1 << UInt64(bits) - 1
            var counts = [Int64](repeating: 0, count: selections.count * Self.rangeCount)
            for (number, selection) in selections.enumerated() {
                let first = number * Self.rangeCount
                for word in selection.words {
                    counts[first + Int(word >> shift & mask)] += 1
                }
            }
            let all = try sumOverRanks(counts)
            for number in selections.indices {
                let ranges = all[number * Self.rangeCount..<(number + 1) * Self.rangeCount]
                selections[number].narrow(to: ranges, bits: bits, shift: shift)
            }
        }
    }

    /// Values that are not null, as words in their order; NaN comes last.
    private static func words(_ column: Column) -> [UInt64] {
        let numbers = Evaluation.cast(column, to: .float64)
        let values = numbers.pointer(as: Double.self)
        defer { withExtendedLifetime(numbers) {} }
        var words: [UInt64] = []
        words.reserveCapacity(numbers.count)
        for row in 0..<numbers.count where !numbers.isNull(at: row) {
            let value = values[row]
            words.append(value == value ? Kernels.orderedWord(value) : .max)
        }
        return words
    }

    private static func value(ofWord word: UInt64) -> Double {
        if word == .max { return .nan }
        return Double(bitPattern: word >> 63 == 1 ? word ^ 1 << 63 : ~word)
    }
}

extension PlaceSearch {
    /// Goes on with the range that holds the place sought.
    fileprivate mutating func narrow(
        to counts: ArraySlice<Int64>, bits: Int, shift: UInt64
    ) {
        var range = 0
        for count in counts {
            if place < count || range == 1 << bits - 1 { break }
            place -= count
            range += 1
        }
        prefix |= UInt64(range) << shift
        let mask: UInt64 = 1 << UInt64(bits) - 1
        words = words.filter { $0 >> shift & mask == UInt64(range) }
    }
}
