// A workload's answer, small enough to be sent to the launcher and compared there cell by cell.

/// One value of a result table.
public enum Cell: Sendable, Equatable {
    case null
    case integer(Int)
    case number(Double)
    case text(String)

    /// Equal, or both numbers within `tolerance` relative to the larger: float aggregates depend on
    /// the order of additions, hence on the number of ranks.
    public func agrees(with other: Cell, tolerance: Double = 1e-9) -> Bool {
        switch (self, other) {
        case (.number(let left), .number(let right)):
            if left == right || (left.isNaN && right.isNaN) { return true }
            return abs(left - right) <= tolerance * max(abs(left), abs(right))
        default: return self == other
        }
    }
}

extension Cell: CustomStringConvertible {
    public var description: String {
        switch self {
        case .null: "null"
        case .integer(let value): String(value)
        case .number(let value): "\(value)"
        case .text(let value): value
        }
    }
}

/// A small named table with its rows in an order that every environment must reproduce.
public struct ResultTable: Sendable, Equatable {
    public var name: String
    public var columns: [String]
    /// Each row has one cell per column.
    public var rows: [[Cell]]

    public init(name: String, columns: [String], rows: [[Cell]]) {
        self.name = name
        self.columns = columns
        self.rows = rows
    }

    /// What differs from `other`, in words, or nil if the tables agree.
    public func difference(from other: ResultTable) -> String? {
        if columns != other.columns { return "columns \(columns) and \(other.columns)" }
        if rows.count != other.rows.count { return "\(rows.count) and \(other.rows.count) rows" }
        for (index, (row, otherRow)) in zip(rows, other.rows).enumerated() {
            for (column, pair) in zip(columns, zip(row, otherRow)) {
                if pair.0.agrees(with: pair.1) { continue }
                return "row \(index + 1), \(column): \(pair.0) and \(pair.1)"
            }
        }
        return nil
    }
}
