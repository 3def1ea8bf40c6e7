// Aggregates of a whole column: one pass over values and validity, without a branch per value.

extension Kernels {
    /// Sum of an int64 (wrapping) or bool column's values; 0 of none.
    static func integerSum(_ column: Column) -> Int64 {
        if column.type == .bool {
            let bits = column.validity.map { column.bits.and($0) } ?? column.bits
            return Int64(bits.setCount)
        }
        let values = column.pointer(as: Int64.self)
        var sum: Int64 = 0
        forEachValid(column) { row, keep in sum &+= values[row] & Int64(bitPattern: keep) }
        withExtendedLifetime(column) {}
        return sum
    }

    /// Sum of a float64 column's values; 0 of none. Four partial sums, as one would wait for
    /// itself: its last bits differ from adding in order.
    static func floatSum(_ column: Column) -> Double {
        let values = column.pointer(as: Double.self)
        var sums = SIMD4<Double>()
        forEachValid(column) { row, keep in
            sums[row & 3] += Double(bitPattern: values[row].bitPattern & keep)
        }
        withExtendedLifetime(column) {}
        return sums[0] + sums[1] + (sums[2] + sums[3])
    }

    /// Calls `body(row, all bits set if valid else clear)` for all rows.
    @inline(__always)
    private static func forEachValid(_ column: Column, _ body: (Int, UInt64) -> Void) {
        guard let validity = column.validity else {
            for row in 0..<column.count { body(row, .max) }
            return
        }
        forEachWord(validity) { base, word, length in
            var bits = word
            for row in base..<base + length {
                body(row, 0 &- (bits & 1))
                bits >>= 1
            }
        }
    }

    /// Row of the least or greatest value; nil if there is none. NaN only of nothing else.
    static func extremeRow(_ column: Column, greatest: Bool) -> Int? {
        defer { withExtendedLifetime(column) {} }
        switch column.type {
        case .int64, .datetime:
            let values = column.pointer(as: Int64.self)
            return best(column) { greatest ? values[$0] > values[$1] : values[$0] < values[$1] }
        case .date:
            let values = column.pointer(as: Int32.self)
            return best(column) { greatest ? values[$0] > values[$1] : values[$0] < values[$1] }
        case .float64:
            let values = column.pointer(as: Double.self)
            return best(column) { new, known in
                if values[known] != values[known] { return values[new] == values[new] }
                return greatest ? values[new] > values[known] : values[new] < values[known]
            }
        case .bool:
            let bits = column.bits
            return best(column) { greatest ? bits[$0] && !bits[$1] : !bits[$0] && bits[$1] }
        case .string:
            return best(column) {
                let order = compareBytes(column.utf8(at: $0), column.utf8(at: $1))
                return greatest ? order > 0 : order < 0
            }
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
