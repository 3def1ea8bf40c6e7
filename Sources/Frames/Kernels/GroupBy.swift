// Aggregates per group: every row's group number selects one of an array of accumulators.

/// One aggregate of a grouping.
struct GroupAggregate: Sendable, Hashable {
    /// What is computed from the values of a group that are not null. Partial results merge by
    /// grouping them again: sums, counts and lens by `sum`, least by `min`, greatest by `max`.
    enum Function: Sendable, Hashable {
        /// int64 of int64 (wrapping) and bool, float64 of float64; 0 of no values.
        case sum
        /// float64 sum of int64 or float64: means add up without wrapping around.
        case floatSum
        /// How many there are.
        case count
        /// How many rows there are, nulls included; takes no column.
        case len
        /// Least; NaN only of nothing else; null of no values.
        case min
        /// Greatest; NaN only of nothing else; null of no values.
        case max
    }

    let function: Function
    let column: Int?

    init(_ function: Function, column: Int?) {
        precondition((function == .len) == (column == nil), "all but len are of a column")
        self.function = function
        self.column = column
    }
}

extension Kernels {
    /// Groups rows by keys (null is a key like any other) and aggregates each group. The result is
    /// the keys, then one column per aggregate, a row per group in unspecified order.
    static func groupBy(
        _ chunks: [Table], keys: [Int], aggregates: [GroupAggregate]
    ) -> [Column] {
        precondition(!keys.isEmpty, "groupBy of no keys")
        let whole = keys.map { key in concat(chunks.map { $0.columns[key] }) }
        let encoder = KeyEncoder(whole)
        if let encoder, let plan = AccumulatorPlan(chunks, aggregates) {
            let rowCount = whole[0].count
            if let groups = DenseGroups(encoder, rowCount: rowCount, chunks, plan) {
                return whole.map { gather($0, groups.firstRows) } + groups.results()
            }
        }
        let groups = Groups(codes: [encoder?.column() ?? keyCodes(whole, nullsAreEqual: true)])
        let keyColumns = whole.map { groups.firstValues(of: $0) }
        let results = aggregates.map { aggregate in
            groupAggregate(
                aggregate.function,
                aggregate.column.map { column in chunks.map { $0.columns[column] } } ?? [], groups)
        }
        return keyColumns + results
    }
}
