// What `agg` computes over the rows of a group: a function of an expression, with a name.

/// An aggregate over the rows of a group: `col("delay").mean().as("average delay")`, `len()`.
///
/// Nulls are left out, but of `first`, `last` and `nUnique`; NaN is not, and comes after all
/// numbers. Of a group without values, `sum` is 0 (as in Polars), `count` and `nUnique` 0, and the
/// others null. An integer sum that does not fit its type is an error (`overflow`), and so is
/// one whose part on some rank does not; sums and means of floats differ in their last bits with the
/// number of ranks, as additions take another order.
///
/// `first`, `last`, `std`, `variance`, `nUnique`, `median` and `quantile` need all rows of a group
/// at once: a grouping with any of them shuffles its rows by key, instead of partial results.
public struct Aggregate: Sendable {
    enum Function: Sendable, Hashable {
        case sum, count, len, mean, min, max
        case first, last, std, variance, nUnique, median
        case quantile(Double)

        var name: String {
            if case .quantile = self { "quantile" } else { "\(self)" }
        }
        /// Does it need all rows of a group at once?
        var isHolistic: Bool {
            switch self {
            case .sum, .count, .len, .mean, .min, .max: false
            case .first, .last, .std, .variance, .nUnique, .median, .quantile: true
            }
        }
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

    var isHolistic: Bool { function.isHolistic }

    /// The name of the column this computes: the one given by `as`, else `delay_mean`, or `len`.
    public var name: String {
        alias ?? operand.map { "\($0.name)_\(function.name)" } ?? function.name
    }

    /// Gives the computed column a name. Local.
    public func `as`(_ name: String) -> Aggregate { Aggregate(function, operand, alias: name) }
}

/// The number of rows of a group, nulls included, as int64. Local.
public func len() -> Aggregate { Aggregate(.len, nil) }

extension Expression {
    /// The sum of a group's values: int64 of signed integers and of bool, uint64 of unsigned ones
    /// (an error where it does not fit); float64 of floats; a duration of durations. Local.
    public func sum() -> Aggregate { Aggregate(.sum, self) }
    /// How many values of a group are not null, as int64. Local.
    public func count() -> Aggregate { Aggregate(.count, self) }
    /// The mean of a group's values, float64. Local.
    public func mean() -> Aggregate { Aggregate(.mean, self) }
    /// The least of a group's values; NaN only if there is nothing else. Local.
    public func min() -> Aggregate { Aggregate(.min, self) }
    /// The greatest of a group's values; NaN only if there is nothing else. Local.
    public func max() -> Aggregate { Aggregate(.max, self) }
    /// The value of a group's first row in the order of all rows, null if it is. Local.
    public func first() -> Aggregate { Aggregate(.first, self) }
    /// The value of a group's last row in the order of all rows, null if it is. Local.
    public func last() -> Aggregate { Aggregate(.last, self) }
    /// The standard deviation of a sample (divided by n − 1), float64; null of fewer than two
    /// values. Local.
    public func std() -> Aggregate { Aggregate(.std, self) }
    /// The variance of a sample (divided by n − 1), float64; null of fewer than two values. Local.
    public func variance() -> Aggregate { Aggregate(.variance, self) }
    /// How many different values a group has, as int64: null counts as one, NaN as one. Local.
    public func nUnique() -> Aggregate { Aggregate(.nUnique, self) }
    /// The middle value of a group, float64; the mean of two where there are as many below as
    /// above. Local.
    public func median() -> Aggregate { Aggregate(.median, self) }
    /// The value below which a share of a group's values lies, float64, interpolated linearly
    /// between neighbours (Hyndman and Fan's seventh definition, that of numpy). Local.
    /// - Parameter share: 0 is the least value, 1 the greatest.
    /// - Throws: `agg` throws `invalidArgument` for a share beyond 0 and 1.
    public func quantile(_ share: Double) -> Aggregate { Aggregate(.quantile(share), self) }
}
