// One row per distinct key.

extension Kernels {
    /// The first row of each distinct combination of keys, in order. Nulls are equal to each other,
    /// NaN to NaN, −0 to 0.
    static func unique(_ table: Table, keys: [Int]) -> Table {
        filter(table, mask: Evaluation.bool(firstRows(table, keys: keys), nil))
    }

    /// A bit per row, set for the first row of each distinct combination of keys.
    static func firstRows(_ table: Table, keys: [Int]) -> Bitmap {
        precondition(!keys.isEmpty, "unique of no keys")
        let columns = keys.map { table.columns[$0] }
        let encoder = KeyEncoder(columns)
        if let encoder, let distinct = DistinctRows(encoder, rowCount: table.rowCount) {
            return distinct.firsts
        }
        let codes = encoder?.column() ?? keyCodes(columns, nullsAreEqual: true)
        return DistinctRows(codes: [codes], notesRepeats: false).firsts
    }

    /// The same as row numbers, ascending.
    static func uniqueRows(_ table: Table, keys: [Int]) -> RowIndices {
        let bits = firstRows(table, keys: keys)
        return setRows(bits, count: bits.setCount)
    }
}
