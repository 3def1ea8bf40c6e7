// What `agg` computes over the rows of a group: a function of an expression, with a name.

/// An aggregate over the rows of a group: `col("delay").mean().as("average delay")`, `len()`.
///
/// Nulls are left out; NaN is not. Of a group without values, `sum` is 0 (as in Polars), `count` 0,
/// and the others null. int64 sums wrap around; sums and means of float64 differ in their last bits
/// with the number of ranks, as additions take another order.
public struct Aggregate: Sendable {
    enum Function: String, Sendable, Hashable {
        case sum, count, len, mean, min, max
    }

    let function: Function
    /// What is aggregated; `len` has none.
    let operand: Expression?
    let alias: String?

    init(_ function: Function, _ operand: Expression?, alias: String? = nil) {
        self.function = function
        self.operand = operand
        self.alias = alias
    }

    /// The name of the column this computes: the one given by `as`, else `delay_mean`, or `len`.
    public var name: String {
        alias ?? operand.map { "\($0.name)_\(function.rawValue)" } ?? function.rawValue
    }

    /// Gives the computed column a name. Local.
    public func `as`(_ name: String) -> Aggregate { Aggregate(function, operand, alias: name) }
}

/// The number of rows of a group, nulls included, as int64. Local.
public func len() -> Aggregate { Aggregate(.len, nil) }

extension Expression {
    /// The sum of a group's values: int64 of int64 (wrapping) and of bool, float64 of float64. Local.
    public func sum() -> Aggregate { Aggregate(.sum, self) }
    /// How many values of a group are not null, as int64. Local.
    public func count() -> Aggregate { Aggregate(.count, self) }
    /// The mean of a group's values, float64. Local.
    public func mean() -> Aggregate { Aggregate(.mean, self) }
    /// The least of a group's values; NaN only if there is nothing else. Local.
    public func min() -> Aggregate { Aggregate(.min, self) }
    /// The greatest of a group's values; NaN only if there is nothing else. Local.
    public func max() -> Aggregate { Aggregate(.max, self) }
}
