// What several aggregates keep per group, as 64-bit words side by side: all accumulators of a group
// share a cache line or two, and a count that two aggregates need is kept once.

struct AccumulatorPlan {
    /// One word of a group and how rows change it.
    struct Word: Equatable {
        enum Kind: Equatable {
            /// Rows.
            case rows
            /// Values that are not null, of a column that has nulls.
            case values
            case integerSum, floatSum, sumOfIntegersAsFloat
            case integerLeast, integerGreatest, floatLeast, floatGreatest
        }
        let kind: Kind
        /// Which column of a chunk; −1 for `rows`.
        let column: Int

        /// The word of a group without rows.
        var initial: UInt64 {
            switch kind {
            case .rows, .values, .integerSum, .floatSum, .sumOfIntegersAsFloat: 0
            case .integerLeast: UInt64(bitPattern: Int64.max)
            case .integerGreatest: UInt64(bitPattern: Int64.min)
            // NaN, the start, gives way to anything: a group of NaN alone stays NaN.
            case .floatLeast, .floatGreatest: Double.nan.bitPattern
            }
        }
    }

    /// The result of one aggregate.
    struct Output {
        let word: Int
        let type: DataType
        /// The word that counts values, where a group without any has a null.
        let count: Int?
    }

    private(set) var words: [Word] = []
    private(set) var outputs: [Output] = []

    /// Nil if an aggregate needs more than a word.
    init?(_ chunks: [Table], _ aggregates: [GroupAggregate]) {
        for aggregate in aggregates {
            guard let column = aggregate.column else {
                outputs.append(Output(word: add(.rows, -1), type: .int64, count: nil))
                continue
            }
            let type = chunks[0].columns[column].type
            let hasNulls = chunks.contains { $0.columns[column].validity != nil }
            let isInteger = type.storage == .int64
            guard isInteger || type == .float64 || aggregate.function == .count else { return nil }
            let kind: Word.Kind
            switch aggregate.function {
            case .count, .len:
                let word = hasNulls ? add(.values, column) : add(.rows, -1)
                outputs.append(Output(word: word, type: .int64, count: nil))
                continue
            case .sum where isInteger: kind = .integerSum
            case .floatSum where isInteger: kind = .sumOfIntegersAsFloat
            case .sum, .floatSum: kind = .floatSum
            case .min: kind = isInteger ? .integerLeast : .floatLeast
            case .max: kind = isInteger ? .integerGreatest : .floatGreatest
            }
            let isExtreme = aggregate.function == .min || aggregate.function == .max
            let resultType: DataType =
                isExtreme ? type : aggregate.function == .sum ? type.sumType : .float64
            outputs.append(
                Output(
                    word: add(kind, column), type: resultType,
                    count: isExtreme && hasNulls ? add(.values, column) : nil))
        }
        if words.count > Self.wordLimit { return nil }
    }

    /// More would not be side by side in any useful sense.
    private static let wordLimit = 32

    private mutating func add(_ kind: Word.Kind, _ column: Int) -> Int {
        let word = Word(kind: kind, column: column)
        if let known = words.firstIndex(of: word) { return known }
        words.append(word)
        return words.count - 1
    }
}

extension AccumulatorPlan.Word {
    /// Changes this word of the groups at `places` by rows `rows` of a chunk.
    /// - Parameters:
    ///   - places: per row where its group's words begin.
    ///   - words: the first group's word of this kind.
    func accumulate(
        _ chunk: Table, _ rows: Range<Int>, at places: UnsafePointer<UInt32>,
        _ words: UnsafeMutablePointer<UInt64>
    ) {
        guard kind != .rows else {
            for index in 0..<rows.count { words[Int(places[index])] &+= 1 }
            return
        }
        let column = chunk.columns[column]
        defer { withExtendedLifetime(column) {} }
        switch kind {
        case .rows: return
        case .values:
            guard let validity = column.validity else {
                for index in 0..<rows.count { words[Int(places[index])] &+= 1 }
                return
            }
            Self.forEachBit(validity, rows) { index, bit in
                words[Int(places[index])] &+= bit
            }
        case .integerSum:
            Self.integers(column, rows, null: 0) { words[Int(places[$0])] &+= $1 }
        case .floatSum:
            let sums = Self.doubles(words)
            Self.floats(column, rows, null: 0) { sums[Int(places[$0])] += $1 }
        case .sumOfIntegersAsFloat:
            let sums = Self.doubles(words)
            Self.integers(column, rows, null: 0) {
                sums[Int(places[$0])] += Double(Int64(bitPattern: $1))
            }
        case .integerLeast:
            let least = Self.integers(words)
            Self.integers(column, rows, null: initial) { index, value in
                let place = Int(places[index])
                least[place] = min(least[place], Int64(bitPattern: value))
            }
        case .integerGreatest:
            let greatest = Self.integers(words)
            Self.integers(column, rows, null: initial) { index, value in
                let place = Int(places[index])
                greatest[place] = max(greatest[place], Int64(bitPattern: value))
            }
        case .floatLeast:
            let least = Self.doubles(words)
            Self.floats(column, rows, null: initial) { index, value in
                let place = Int(places[index])
                least[place] = Double.minimum(least[place], value)
            }
        case .floatGreatest:
            let greatest = Self.doubles(words)
            Self.floats(column, rows, null: initial) { index, value in
                let place = Int(places[index])
                greatest[place] = Double.maximum(greatest[place], value)
            }
        }
    }

    private static func doubles(_ words: UnsafeMutablePointer<UInt64>) -> UnsafeMutablePointer<
        Double
    > {
        UnsafeMutableRawPointer(words).assumingMemoryBound(to: Double.self)
    }

    private static func integers(_ words: UnsafeMutablePointer<UInt64>) -> UnsafeMutablePointer<
        Int64
    > {
        UnsafeMutableRawPointer(words).assumingMemoryBound(to: Int64.self)
    }

    /// Calls `body(index, bit)` for rows `rows`, index counting from 0.
    @inline(__always)
    private static func forEachBit(
        _ bits: Bitmap, _ rows: Range<Int>, _ body: (Int, UInt64) -> Void
    ) {
        var index = 0
        while index < rows.count {
            let length = min(64, rows.count &- index)
            var word = bits.word(at: rows.lowerBound &+ index)
            for position in index..<index &+ length {
                body(position, word & 1)
                word >>= 1
            }
            index &+= 64
        }
    }

    /// Calls `body(index, bits of the value)`; `null` stands in for nulls, without a branch.
    @inline(__always)
    private static func integers(
        _ column: Column, _ rows: Range<Int>, null: UInt64, _ body: (Int, UInt64) -> Void
    ) {
        let values = column.pointer(as: UInt64.self) + rows.lowerBound
        if let validity = column.validity {
            forEachBit(validity, rows) { index, bit in
                body(index, (values[index] ^ null) & (0 &- bit) ^ null)
            }
        } else {
            for index in 0..<rows.count { body(index, values[index]) }
        }
    }

    @inline(__always)
    private static func floats(
        _ column: Column, _ rows: Range<Int>, null: UInt64, _ body: (Int, Double) -> Void
    ) {
        integers(column, rows, null: null) { body($0, Double(bitPattern: $1)) }
    }
}
