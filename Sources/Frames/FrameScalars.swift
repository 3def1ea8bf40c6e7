// Verbs of frames that end in single values: how many rows, their checksum, aggregates of a column.

import MessagePassing

/// One value of any type, or none.
public enum Scalar: Sendable, Hashable {
    case null
    /// Of any integer type but uint64.
    case int64(Int64)
    case uint64(UInt64)
    /// Of either float type.
    case float64(Double)
    case bool(Bool)
    /// Of a string or a category.
    case string(String)
    /// Days since 1970-01-01.
    case date(Int32)
    /// Microseconds since 1970-01-01T00:00:00Z.
    case datetime(Int64)
    /// Microseconds.
    case duration(Int64)

    /// The value of row `index`. Local.
    init(_ column: Column, at index: Int) {
        if column.isNull(at: index) {
            self = .null
            return
        }
        switch column.type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32:
            self = .int64(column.int64(at: index) ?? 0)
        case .uint64: self = .uint64(column.pointer(as: UInt64.self)[index])
        case .float32, .float64: self = .float64(column.float64(at: index) ?? .nan)
        case .bool: self = .bool(column.bits[index])
        case .string, .category:
            self = .string(String(decoding: column.utf8(at: index), as: UTF8.self))
        case .date: self = .date(column.pointer(as: Int32.self)[index])
        case .datetime: self = .datetime(column.pointer(as: Int64.self)[index])
        case .duration: self = .duration(column.pointer(as: Int64.self)[index])
        }
        withExtendedLifetime(column) {}
    }

    /// The number, if it is an integer that int64 holds. Local.
    public var int64: Int64? {
        switch self {
        case .int64(let value): value
        case .uint64(let value): Int64(exactly: value)
        default: nil
        }
    }
    /// The number, integer or float, as float64. Local.
    public var float64: Double? {
        switch self {
        case .int64(let value): Double(value)
        case .uint64(let value): Double(value)
        case .float64(let value): value
        case .null, .bool, .string, .date, .datetime, .duration: nil
        }
    }
    /// The text, if it is a string. Local.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
}

extension Scalar: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    public init(integerLiteral value: Int64) { self = .int64(value) }
    public init(floatLiteral value: Double) { self = .float64(value) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
}

extension Frame {
    /// How many rows there are, on all ranks together.
    ///
    /// Collective. Cost: one allreduce of 8 bytes.
    /// - Throws: `communication`.
    public func count(file: String = #fileID, line: Int = #line) throws(FrameError) -> Int {
        try sum(Int64(table.rowCount), "count", file, line)
    }

    /// A number that depends on which rows there are, and on nothing else: not on their order, nor
    /// on the number of ranks. One changed, dropped or doubled row changes it.
    ///
    /// Collective. float64 columns are left out, as their last bits depend on the order of
    /// additions. Cost: one pass, and one allreduce of 8 bytes.
    /// - Throws: `communication`.
    public func rowChecksum(
        file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> UInt64 {
        let own = Int64(bitPattern: Kernels.rowChecksum(table))
        return UInt64(bitPattern: Int64(try sum(own, "rowChecksum", file, line)))
    }

    /// The sum of a column's values; 0 of none. Collective; cost and errors as `aggregate`.
    public func sum(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("sum", col(column).sum(), file, line)
    }

    /// The mean of a column's values; null of none. Collective; cost and errors as `aggregate`.
    public func mean(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("mean", col(column).mean(), file, line)
    }

    /// The least of a column's values; null of none. Collective; cost and errors as `aggregate`.
    public func min(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("min", col(column).min(), file, line)
    }

    /// The greatest of a column's values; null of none. Collective; cost and errors as
    /// `aggregate`.
    public func max(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("max", col(column).max(), file, line)
    }

    /// How many of a column's values are not null. Collective; cost and errors as `aggregate`.
    public func count(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Int {
        Int(try scalar("count", col(column).count(), file, line).int64 ?? 0)
    }

    /// The standard deviation of a column's values (of a sample); null of fewer than two.
    /// Collective; cost and errors as `aggregate`.
    public func std(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("std", col(column).std(), file, line)
    }

    /// The middle of a column's values; null of none. Collective; cost and errors as `aggregate`.
    public func median(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("median", col(column).median(), file, line)
    }

    /// The value below which a share of a column's values lies; null of none. Collective; cost and
    /// errors as `aggregate`.
    public func quantile(
        _ column: String, _ share: Double, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Scalar {
        try scalar("quantile", col(column).quantile(share), file, line)
    }

    /// How many different values a column has, null being one. Collective; cost and errors as
    /// `aggregate`.
    public func nUnique(
        _ column: String, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Int {
        Int(try scalar("nUnique", col(column).nUnique(), file, line).int64 ?? 0)
    }

    private func scalar(
        _ name: String, _ aggregate: Aggregate, _ file: String, _ line: Int
    ) throws(FrameError) -> Scalar {
        let result = try adding(
            PlanStep(
                name: name, operation: .group(keys: [], aggregates: [aggregate]), inputs: [plan],
                origin: Origin(file: file, line: line)))
        return Scalar(result.table.columns[0], at: 0)
    }

    private func sum(
        _ own: Int64, _ name: String, _ file: String, _ line: Int
    ) throws(FrameError) -> Int {
        if communicator.size == 1 || partitioning == .replicated { return Int(own) }
        do {
            return Int(try communicator.allreduce(own, .sum))
        } catch {
            throw FrameError(
                .communication, operation: name, reason: "the communicator failed",
                location: Origin(file: file, line: line).description, cause: error)
        }
    }
}
