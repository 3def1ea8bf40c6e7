// Between which splitters a row falls. One word of the first key decides nearly always; only on a
// tie are all keys compared, and on a tie of these the rows' places.

/// Rows of one table to be compared with splitters.
struct SplitterSearch {
    private let splitters: Splitters
    private let words: OrderWords
    private let splitterWords: OrderWords
    /// Whether equal words mean equal keys.
    private let wordsAreKeys: Bool
    private let comparisons: [(row: Column, splitter: Column, order: ColumnOrder)]

    init(_ table: Table, _ splitters: Splitters, _ order: [ColumnOrder]) {
        self.splitters = splitters
        let first = table.columns[order[0].column]
        words = OrderWords(first, order[0])
        splitterWords = OrderWords(splitters.keys.columns[0], order[0])
        wordsAreKeys = order.count == 1 && !first.type.isText
        comparisons = order.enumerated().map { index, key in
            (table.columns[key.column], splitters.keys.columns[index], key)
        }
    }

    /// Where every row goes. Rows of one plain type without nulls are told apart by a comparison of
    /// words per splitter, without a branch.
    /// - Parameter position: of a row, in the order of all rows.
    func destinations(rankCount: Int, position: (Int) -> Int64) -> Destinations {
        let (column, flip) = (words.column, words.flip)
        defer { withExtendedLifetime(column) {} }
        guard column.validity == nil, splitterWords.column.validity == nil else {
            return Destinations(rowCount: column.count, rankCount: rankCount) { row in
                splittersBefore(row, position: position(row))
            }
        }
        switch column.type.storage {
        case .int64:
            let values = column.pointer(as: Int64.self)
            return destinations(rankCount, position) { Kernels.orderedWord(values[$0]) ^ flip }
        case .strings:
            let offsets = column.stringOffsets
            let bytes = column.stringBytes
            return destinations(rankCount, position) { row in
                let length = Int(offsets[row &+ 1] &- offsets[row])
                return Kernels.prefixWord(bytes + Int(offsets[row]), length, at: 0) ^ flip
            }
        default:
            return destinations(rankCount, position) { words.word($0) }
        }
    }

    @inline(__always)
    private func destinations(
        _ rankCount: Int, _ position: (Int) -> Int64, _ word: (Int) -> UInt64
    ) -> Destinations {
        let others = (0..<splitters.count).map { splitterWords.word($0) }
        return others.withUnsafeBufferPointer { others in
            Destinations(rowCount: words.column.count, rankCount: rankCount) { row in
                let own = word(row)
                var before = 0
                var ties = 0
                if others.count <= Self.linearLimit {
                    for other in others {
                        before &+= Int(
                            truncatingIfNeeded: unsafeBitCast(other < own, to: UInt8.self))
                        ties &+= Int(
                            truncatingIfNeeded: unsafeBitCast(other == own, to: UInt8.self))
                    }
                } else {
                    var high = others.count
                    while before < high {
                        let middle = (before &+ high) / 2
                        if others[middle] < own { before = middle &+ 1 } else { high = middle }
                    }
                    ties = before < others.count && others[before] == own ? 1 : 0
                }
                return ties == 0 ? before : splittersBefore(row, position: position(row))
            }
        }
    }

    /// More splitters are searched by halves.
    private static let linearLimit = 8

    /// How many splitters come before `row`, or are it: its destination.
    @inline(__always)
    func splittersBefore(_ row: Int, position: Int64) -> Int {
        var low = 0
        var high = splitters.count
        while low < high {
            let middle = (low &+ high) / 2
            if isBefore(middle, row, position) { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    @inline(__always)
    private func isBefore(_ splitter: Int, _ row: Int, _ position: Int64) -> Bool {
        let order = splitterWords.compare(splitter, words, row)
        if order != 0 { return order < 0 }
        if !wordsAreKeys {
            for comparison in comparisons {
                let order = Self.compare(
                    comparison.splitter, splitter, comparison.row, row, comparison.order)
                if order != 0 { return order < 0 }
            }
        }
        return splitters.positions[splitter] <= position
    }

    /// Negative, 0 or positive, in the order of one key.
    private static func compare(
        _ left: Column, _ leftRow: Int, _ right: Column, _ rightRow: Int, _ order: ColumnOrder
    ) -> Int {
        if left.type.isText, !left.isNull(at: leftRow), !right.isNull(at: rightRow) {
            let result = Evaluation.compareBytes(left.utf8(at: leftRow), right.utf8(at: rightRow))
            return order.descending ? -result : result
        }
        let (left, right) = (OrderWords(left, order), OrderWords(right, order))
        return left.compare(leftRow, right, rightRow)
    }
}

/// A column's values as words whose unsigned order is that of a sort key; of strings, their first
/// eight bytes.
struct OrderWords {
    let column: Column
    let flip: UInt64
    /// Where nulls are against values: before or after.
    private let nullClass: Int

    init(_ column: Column, _ order: ColumnOrder) {
        self.column = column
        flip = order.descending ? .max : 0
        nullClass = order.nullsFirst ? -1 : 1
    }

    @inline(__always)
    func compare(_ row: Int, _ other: OrderWords, _ otherRow: Int) -> Int {
        let (own, others) = (kind(of: row), other.kind(of: otherRow))
        if own != others { return own - others }
        if own != 0 { return 0 }
        let (left, right) = (word(row), other.word(otherRow))
        return left < right ? -1 : left > right ? 1 : 0
    }

    @inline(__always)
    private func kind(of row: Int) -> Int { column.isNull(at: row) ? nullClass : 0 }

    @inline(__always)
    func word(_ row: Int) -> UInt64 {
        switch column.type.storage {
        case .uint32 where column.dictionary != nil: return prefix(row)
        case .int64:
            return Kernels.orderedWord(column.pointer(as: Int64.self)[row]) ^ flip
        case .int32:
            return Kernels.orderedWord(Int64(column.pointer(as: Int32.self)[row])) ^ flip
        case .int16:
            return Kernels.orderedWord(Int64(column.pointer(as: Int16.self)[row])) ^ flip
        case .int8:
            return Kernels.orderedWord(Int64(column.pointer(as: Int8.self)[row])) ^ flip
        case .uint64: return column.pointer(as: UInt64.self)[row] ^ flip
        case .uint32: return UInt64(column.pointer(as: UInt32.self)[row]) ^ flip
        case .uint16: return UInt64(column.pointer(as: UInt16.self)[row]) ^ flip
        case .uint8: return UInt64(column.pointer(as: UInt8.self)[row]) ^ flip
        case .float32:
            let value = Double(column.pointer(as: Float.self)[row])
            return value == value ? Kernels.orderedWord(value) ^ flip : .max
        case .float64:
            // NaN comes last in either direction, as in the sort of each rank.
            let value = column.pointer(as: Double.self)[row]
            return value == value ? Kernels.orderedWord(value) ^ flip : .max
        case .bits:
            return (column.bits[row] ? 1 : 0) ^ flip
        case .strings: return prefix(row)
        }
    }

    @inline(__always)
    private func prefix(_ row: Int) -> UInt64 {
        let bytes = column.utf8(at: row)
        guard let base = bytes.baseAddress else { return flip }
        return Kernels.prefixWord(base, bytes.count, at: 0) ^ flip
    }
}
