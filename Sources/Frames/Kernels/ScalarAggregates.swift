// Aggregates of a whole column: one pass over values and validity, without a branch per value.

extension Kernels {
    /// Sum of an int64 (wrapping) or bool column's values; 0 of none.
    static func integerSum(_ column: Column) -> Int64 {
        if column.type == .bool {
            let bits = column.validity.map { column.bits.and($0) } ?? column.bits
            return Int64(bits.setCount)
        }
        let column = widened(column)
        defer { withExtendedLifetime(column) {} }
        return reduce(
            column, column.pointer(as: Int64.self), neutral: 0,
            masked: { $0 & Int64(bitPattern: $1) }, &+)
    }

    /// Reduces a column by an operation in any order; `masked(value, mask)` is the value where the
    /// mask is all ones, and neutral where it is zero.
    @inline(__always)
    private static func reduce<Element>(
        _ column: Column, _ values: UnsafePointer<Element>, neutral: Element,
        masked: (Element, UInt64) -> Element, _ combine: (Element, Element) -> Element
    ) -> Element {
        var (first, second, third, fourth) = (neutral, neutral, neutral, neutral)
        @inline(__always)
        func plain(_ rows: Range<Int>) {
            var row = rows.lowerBound
            while row &+ 4 <= rows.upperBound {
                first = combine(first, values[row])
                second = combine(second, values[row &+ 1])
                third = combine(third, values[row &+ 2])
                fourth = combine(fourth, values[row &+ 3])
                row &+= 4
            }
            while row < rows.upperBound {
                first = combine(first, values[row])
                row &+= 1
            }
        }
        guard let validity = column.validity else {
            plain(0..<column.count)
            return combine(combine(first, second), combine(third, fourth))
        }
        forEachWord(validity) { base, word, length in
            if word == .max { return plain(base..<base + 64) }
            var bits = word
            var row = base
            while row &+ 4 <= base &+ length {
                first = combine(first, masked(values[row], 0 &- (bits & 1)))
                second = combine(second, masked(values[row &+ 1], 0 &- (bits >> 1 & 1)))
                third = combine(third, masked(values[row &+ 2], 0 &- (bits >> 2 & 1)))
                fourth = combine(fourth, masked(values[row &+ 3], 0 &- (bits >> 3 & 1)))
                bits >>= 4
                row &+= 4
            }
            while row < base &+ length {
                first = combine(first, masked(values[row], 0 &- (bits & 1)))
                bits >>= 1
                row &+= 1
            }
        }
        return combine(combine(first, second), combine(third, fourth))
    }

    /// Least or greatest value of an int64 or datetime column that has any.
    private static func integerExtreme(_ column: Column, greatest: Bool) -> Int64 {
        let values = column.pointer(as: Int64.self)
        defer { withExtendedLifetime(column) {} }
        let neutral = greatest ? Int64.min : Int64.max
        @inline(__always)
        func masked(_ value: Int64, _ mask: UInt64) -> Int64 {
            (value ^ neutral) & Int64(bitPattern: mask) ^ neutral
        }
        return greatest
            ? reduce(column, values, neutral: neutral, masked: masked) { max($0, $1) }
            : reduce(column, values, neutral: neutral, masked: masked) { min($0, $1) }
    }

    /// Aggregates of all rows of tables that have any, a column of one value each.
    static func wholeAggregates(
        _ pieces: [Table], _ aggregates: [GroupAggregate]
    ) -> [Column] {
        let rowCount = pieces.reduce(0) { $0 + $1.rowCount }
        var summaries: [Int: FloatSummary] = [:]
        return aggregates.map { aggregate in
            guard let index = aggregate.column else {
                return wholeAggregate(aggregate.function, [], rowCount: rowCount)
            }
            let chunks = pieces.map { $0.columns[index] }
            if chunks[0].type == .float64 {
                let summary = summaries[index] ?? FloatSummary(chunks)
                summaries[index] = summary
                if let result = summary.result(aggregate.function) { return result }
            }
            return wholeAggregate(aggregate.function, chunks, rowCount: rowCount)
        }
    }

    /// An aggregate of all rows of chunks of a column (of none for `len`), as a column of one value.
    static func wholeAggregate(
        _ function: GroupAggregate.Function, _ chunks: [Column], rowCount: Int
    ) -> Column {
        switch function {
        case .len: return Column([Int64(rowCount)])
        case .count: return Column([Int64(chunks.reduce(0) { $0 + $1.count - $1.nullCount })])
        case .sum where chunks[0].type.isFloat: return Column([FloatSummary(chunks).sum])
        case .sum:
            return Column([chunks.reduce(0) { $0 &+ integerSum($1) }])
                .reinterpreted(as: chunks[0].type.sumType)
        case .floatSum:
            return Column([FloatSummary(chunks.map { Evaluation.cast($0, to: .float64) }).sum])
        case .min, .max:
            let best = concat(chunks.map { extreme($0, greatest: function == .max) })
            return extreme(best, greatest: function == .max)
        }
    }

    /// The least or greatest value, as a column of one value.
    private static func extreme(_ column: Column, greatest: Bool) -> Column {
        if column.type.isInt64, column.nullCount < column.count {
            return Column([integerExtreme(column, greatest: greatest)])
                .reinterpreted(as: column.type)
        }
        if column.type == .float64,
            let value = FloatSummary([column]).result(greatest ? .max : .min)
        {
            return value
        }
        return gather(column, RowIndices([extremeRow(column, greatest: greatest) ?? -1]))
    }

    /// Row of the least or greatest value; nil if there is none. NaN only of nothing else.
    static func extremeRow(_ column: Column, greatest: Bool) -> Int? {
        defer { withExtendedLifetime(column) {} }
        switch column.type.storage {
        case .int64:
            let values = column.pointer(as: Int64.self)
            return best(column) { greatest ? values[$0] > values[$1] : values[$0] < values[$1] }
        case .uint64:
            let values = column.pointer(as: UInt64.self)
            return best(column) { greatest ? values[$0] > values[$1] : values[$0] < values[$1] }
        case .uint32 where column.dictionary != nil:
            return bestText(column, greatest: greatest)
        case .int8, .int16, .uint8, .uint16, .uint32, .float32:
            return extremeRow(widened(column), greatest: greatest)
        case .int32:
            let values = column.pointer(as: Int32.self)
            return best(column) { greatest ? values[$0] > values[$1] : values[$0] < values[$1] }
        case .float64:
            let values = column.pointer(as: Double.self)
            return best(column) { new, known in
                if values[known] != values[known] { return values[new] == values[new] }
                return greatest ? values[new] > values[known] : values[new] < values[known]
            }
        case .bits:
            let bits = column.bits
            return best(column) { greatest ? bits[$0] && !bits[$1] : !bits[$0] && bits[$1] }
        case .strings: return bestText(column, greatest: greatest)
        }
    }

    private static func bestText(_ column: Column, greatest: Bool) -> Int? {
        best(column) {
            let order = compareBytes(column.utf8(at: $0), column.utf8(at: $1))
            return greatest ? order > 0 : order < 0
        }
    }

    @inline(__always)
    private static func best(_ column: Column, _ isBetter: (Int, Int) -> Bool) -> Int? {
        var known: Int?
        for row in 0..<column.count where !column.isNull(at: row) {
            if let current = known {
                if isBetter(row, current) { known = row }
            } else {
                known = row
            }
        }
        return known
    }
}
