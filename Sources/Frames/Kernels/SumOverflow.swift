// Do integer sums fit their type? A bound from the widest value says so nearly always, for one pass
// over the values; only where it does not are sums added up again in 128 bits.

extension Kernels {
    /// Might the sum of a column's values, or of as many such ones on each of `rankCount` ranks, not
    /// fit its 64-bit type? Narrower values never need more: a rank has fewer than 2³¹ rows.
    static func sumMayOverflow(_ column: Column, rankCount: Int) -> Bool {
        guard column.type.storage == .int64 || column.type.storage == .uint64 else { return false }
        let values = column.pointer(as: Int64.self)
        var all: UInt64 = 0
        if column.type == .uint64 {
            for row in 0..<column.count { all |= UInt64(bitPattern: values[row]) }
        } else {
            // The bits that a value and its opposite need alike.
            for row in 0..<column.count {
                all |= UInt64(bitPattern: values[row] ^ values[row] >> 63)
            }
        }
        withExtendedLifetime(column) {}
        if all == 0 && column.type == .uint64 { return false }
        let (additions, overflow) = column.count.multipliedReportingOverflow(by: rankCount)
        let valueBits = 64 - all.leadingZeroBitCount
        let countBits = 64 - max(additions, 1).leadingZeroBitCount
        return overflow || valueBits + countBits > (column.type == .uint64 ? 64 : 63)
    }

    /// Does the sum of some group's values not fit its 64-bit type?
    static func sumOverflows(_ column: Column, _ groups: Groups) -> Bool {
        var sums = [Int128](repeating: 0, count: groups.count)
        let ids = groups.ids.elements(as: UInt32.self)
        let values = column.pointer(as: Int64.self)
        let isUnsigned = column.type == .uint64
        for row in 0..<column.count where !column.isNull(at: row) {
            let value =
                isUnsigned ? Int128(UInt64(bitPattern: values[row])) : Int128(values[row])
            sums[Int(ids[row])] += value
        }
        withExtendedLifetime((column, groups)) {}
        let limits =
            isUnsigned
            ? 0...Int128(UInt64.max) : Int128(Int64.min)...Int128(Int64.max)
        return sums.contains { !limits.contains($0) }
    }

    /// Groups of rows by the first `keyCount` columns; one of all rows if there is no key.
    static func groups(_ table: Table, keyCount: Int) -> Groups {
        let codes =
            keyCount == 0
            ? Literal.int64(0).column(count: table.rowCount)
            : keyCodes(Array(table.columns.prefix(keyCount)), nullsAreEqual: true)
        return Groups(codes: [codes])
    }
}
