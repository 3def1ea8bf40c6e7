// The small values that verbs take: names of columns, sort keys, kinds of joins. All of them can be
// written as literals, so that `sort(by: "delay")` and `sort(by: ["carrier", .descending("delay")])`
// are one method.

/// One or more names of columns: `"tailnum"` or `["year", "month"]`.
public struct ColumnNames: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral
{
    public let names: [String]
    public init(_ names: [String]) { self.names = names }
    public init(stringLiteral value: String) { names = [value] }
    public init(arrayLiteral elements: String...) { names = elements }
}

/// Where a sort puts nulls, in either direction.
public enum NullOrder: Sendable, Hashable {
    case first, last
}

/// A column to sort by, with its direction.
public struct SortKey: Sendable, Hashable, ExpressibleByStringLiteral {
    public let column: String
    /// Largest first; nil takes what `sort` says for all keys.
    let ownDescending: Bool?
    let ownNulls: NullOrder?

    /// Largest first?
    public var descending: Bool { ownDescending ?? false }
    public var nulls: NullOrder { ownNulls ?? .last }

    public init(_ column: String, descending: Bool, nulls: NullOrder = .last) {
        self.column = column
        ownDescending = descending
        ownNulls = nulls
    }
    public init(stringLiteral value: String) {
        column = value
        ownDescending = nil
        ownNulls = nil
    }

    /// Smallest first.
    public static func ascending(_ column: String, nulls: NullOrder = .last) -> SortKey {
        SortKey(column, descending: false, nulls: nulls)
    }
    /// Largest first.
    public static func descending(_ column: String, nulls: NullOrder = .last) -> SortKey {
        SortKey(column, descending: true, nulls: nulls)
    }

    /// The same with nothing left open.
    func resolved(descending: Bool, nulls: NullOrder) -> SortKey {
        SortKey(column, descending: ownDescending ?? descending, nulls: ownNulls ?? nulls)
    }
}

/// One or more sort keys: `"delay"`, `["carrier", .descending("delay")]`.
public struct SortKeys: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    public let keys: [SortKey]
    public init(_ keys: [SortKey]) { self.keys = keys }
    public init(stringLiteral value: String) { keys = [SortKey(stringLiteral: value)] }
    public init(arrayLiteral elements: SortKey...) { keys = elements }

    /// One key, smallest first.
    public static func ascending(_ column: String, nulls: NullOrder = .last) -> SortKeys {
        SortKeys([.ascending(column, nulls: nulls)])
    }
    /// One key, largest first.
    public static func descending(_ column: String, nulls: NullOrder = .last) -> SortKeys {
        SortKeys([.descending(column, nulls: nulls)])
    }
}

/// Which rows a join yields.
public enum JoinKind: Sendable, Hashable {
    /// Pairs of rows with equal keys.
    case inner
    /// Those, and each left row without a partner, with nulls in the right columns.
    case left
    /// Those, and each right row without a partner, with nulls in the left columns but the keys.
    case right
    /// Those, and rows of either side without a partner.
    case full
    /// The left rows with a partner, each once; no right columns.
    case semi
    /// The left rows without a partner; no right columns.
    case anti

    /// Is it made of other verbs?
    var isComposed: Bool { self == .right || self == .semi || self == .anti }
    /// Has its result the right side's columns?
    var hasRightColumns: Bool { self != .semi && self != .anti }
}

/// What `select` takes: the name of a column or a computed one.
public protocol ColumnExpression: Sendable {
    var columnExpression: Expression { get }
}
extension String: ColumnExpression {
    public var columnExpression: Expression { col(self) }
}
extension Expression: ColumnExpression {
    public var columnExpression: Expression { self }
}

/// The line of the user's program that called a verb; errors name it.
struct Origin: Sendable, Hashable {
    let file: String
    let line: Int
}
