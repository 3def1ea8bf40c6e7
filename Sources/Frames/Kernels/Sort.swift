// Stable sort of rows by one or more keys. Keys become unsigned words whose order is the rows':
// the least significant key is sorted first, each later sort keeping the order of the ones before.
import Glibc

/// One key of a sort.
struct ColumnOrder: Sendable, Hashable {
    let column: Int
    let descending: Bool
    /// Nulls come before all values, else after them; `descending` does not move them.
    let nullsFirst: Bool

    init(column: Int, descending: Bool = false, nullsFirst: Bool = false) {
        self.column = column
        self.descending = descending
        self.nullsFirst = nullsFirst
    }
}

extension Kernels {
    /// The rows of a table in the order of its keys; stable. NaN is greater than all numbers,
    /// −0 equals 0, strings compare by their bytes, false is less than true.
    static func argsort(_ table: Table, by keys: [ColumnOrder]) -> RowIndices {
        var order: RowIndices?
        for key in keys.reversed() {
            order = argsort(table.columns[key.column], key, after: order)
        }
        return order ?? RowIndices(Array(0..<table.rowCount))
    }

    /// The rows of all pieces in that order, those before coming first among equal ones. Their memory
    /// is let go on the way if nobody else holds it.
    static func sort(_ pieces: consuming [Table], by keys: [ColumnOrder]) -> Table {
        if let sorted = sortByNumber(&pieces, by: keys) { return sorted }
        let table = concat(pieces)
        pieces = []
        return gather(table, argsort(table, by: keys))
    }

    /// Sorts `order` (all rows as they are, if nil) by one column.
    private static func argsort(
        _ column: Column, _ key: ColumnOrder, after order: RowIndices?
    ) -> RowIndices {
        defer { withExtendedLifetime((column, order)) {} }
        let (valid, nulls) = split(column, order)
        let sorted: RowIndices
        if column.type == .string {
            sorted = argsortStrings(column, valid, descending: key.descending)
        } else {
            var pairs = KeyedWords(
                words: orderedWords(column, valid, descending: key.descending),
                count: valid.count)
            pairs.sort()
            sorted = payloads(pairs)
        }
        if nulls.count == 0 { return sorted }
        return key.nullsFirst ? append(nulls, sorted) : append(sorted, nulls)
    }

    /// Rows with and without a value, in the given order.
    private static func split(
        _ column: Column, _ order: RowIndices?
    ) -> (valid: RowIndices, nulls: RowIndices) {
        let none = RowIndices([])
        guard let validity = column.validity else {
            if let order { return (order, none) }
            let all = Buffer(byteCount: column.count * 8)
            let rows = all.elements(as: Int.self)
            for row in 0..<column.count { rows[row] = row }
            return (RowIndices(buffer: all, count: column.count), none)
        }
        let validCount = validity.setCount
        let nullCount = column.count - validCount
        // One more each: every row is written to both, and kept in one.
        let valid = Buffer(byteCount: (validCount + 1) * 8)
        let nulls = Buffer(byteCount: (nullCount + 1) * 8)
        let validRows = valid.elements(as: Int.self)
        let nullRows = nulls.elements(as: Int.self)
        var found = 0
        for position in 0..<column.count {
            let row = order.map { $0[position] } ?? position
            validRows[found] = row
            nullRows[position &- found] = row
            found &+= Int(truncatingIfNeeded: unsafeBitCast(validity[row], to: UInt8.self))
        }
        return (
            RowIndices(buffer: valid, count: validCount),
            RowIndices(buffer: nulls, count: nullCount)
        )
    }

    private static func append(_ first: RowIndices, _ second: RowIndices) -> RowIndices {
        let buffer = Buffer(byteCount: (first.count + second.count) * 8)
        memcpy(buffer.pointer, first.rows, first.count * 8)
        memcpy(buffer.pointer + first.count * 8, second.rows, second.count * 8)
        withExtendedLifetime((first, second)) {}
        return RowIndices(buffer: buffer, count: first.count + second.count)
    }

    /// Pairs of a word whose unsigned order is the column's, and the row.
    private static func orderedWords(
        _ column: Column, _ rows: RowIndices, descending: Bool
    ) -> Buffer {
        let buffer = Buffer(byteCount: rows.count * 16)
        let pairs = buffer.elements(as: UInt64.self)
        let flip: UInt64 = descending ? .max : 0
        @inline(__always)
        func fill(_ word: (Int) -> UInt64) {
            let rows = rows.rows
            for position in 0..<buffer.byteCount / 16 {
                pairs[position &* 2] = word(rows[position]) ^ flip
                pairs[position &* 2 &+ 1] = UInt64(truncatingIfNeeded: rows[position])
            }
        }
        if let dictionary = column.dictionary {
            let ranks = dictionary.ranks()
            let byCode = ranks.elements(as: UInt32.self)
            let codes = column.pointer(as: UInt32.self)
            fill { UInt64(byCode[Int(codes[$0])]) }
            withExtendedLifetime(ranks) {}
            return buffer
        }
        switch column.type.storage {
        case .int64:
            let values = column.pointer(as: Int64.self)
            fill { orderedWord(values[$0]) }
        case .int32:
            let values = column.pointer(as: Int32.self)
            fill { orderedWord(Int64(values[$0])) }
        case .uint64:
            let values = column.pointer(as: UInt64.self)
            fill { values[$0] }
        case .int8, .int16, .uint8, .uint16, .uint32, .float32:
            return orderedWords(widened(column), rows, descending: descending)
        case .float64:
            let values = column.pointer(as: Double.self)
            // NaN comes last either way.
            fill { values[$0] == values[$0] ? orderedWord(values[$0]) : .max ^ flip }
        case .bits:
            let bits = column.bits
            fill { bits[$0] ? 1 : 0 }
        case .strings: preconditionFailure("strings are not words")
        }
        return buffer
    }

    private static func payloads(_ pairs: KeyedWords) -> RowIndices {
        let buffer = Buffer(byteCount: pairs.count * 8)
        let rows = buffer.elements(as: UInt64.self)
        let source = pairs.pairs
        for row in 0..<pairs.count { rows[row] = source[row &* 2 &+ 1] }
        withExtendedLifetime(pairs) {}
        return RowIndices(buffer: buffer, count: pairs.count)
    }

    /// Order of int64 as unsigned.
    @inline(__always)
    static func orderedWord(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: value) ^ 1 << 63
    }

    /// Order of float64 as unsigned: negative numbers inverted, positive ones above them.
    @inline(__always)
    static func orderedWord(_ value: Double) -> UInt64 {
        let bits = canonicalBits(value)
        return bits ^ (UInt64(bitPattern: Int64(bitPattern: bits) >> 63) | 1 << 63)
    }
}
