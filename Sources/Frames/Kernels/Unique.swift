// One row per distinct key.

extension Kernels {
    /// The first row of each distinct combination of keys, ascending. Nulls are equal to each
    /// other, NaN to NaN, −0 to 0.
    static func uniqueRows(_ table: Table, keys: [Int]) -> RowIndices {
        precondition(!keys.isEmpty, "unique of no keys")
        return Groups(
            codes: [keyCodes(keys.map { table.columns[$0] }, nullsAreEqual: true)]
        ).firstRows
    }
}
