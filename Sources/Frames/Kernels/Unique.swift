// One row per distinct key.

extension Kernels {
    /// The first row of each distinct combination of keys, ascending. Nulls are equal to each
    /// other, NaN to NaN, −0 to 0.
    static func uniqueRows(_ table: Table, keys: [Int]) -> RowIndices {
        precondition(!keys.isEmpty, "unique of no keys")
        let groups = Groups(
            codes: [keyCodes(keys.map { table.columns[$0] }, nullsAreEqual: true)])
        // Partitions number their groups one after the other; a bit per row brings rows in order.
        let bits = Buffer(zeroedByteCount: Bitmap.byteCount(table.rowCount))
        let words = bits.elements(as: UInt64.self)
        for position in 0..<groups.count {
            let row = groups.firstRows[position]
            words[row >> 6] |= 1 << UInt64(row & 63)
        }
        return setRows(Bitmap(buffer: bits, count: table.rowCount), count: groups.count)
    }
}
