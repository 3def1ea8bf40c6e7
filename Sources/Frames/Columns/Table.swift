// This rank's rows: columns of equal length under names. No relational verbs here, no
// communication: those are Frame's.

/// Named columns of equal length on one rank.
public struct Table: Sendable {
    public let schema: Schema
    public let columns: [Column]
    public let rowCount: Int

    /// - Throws: `lengthMismatch`, `duplicateColumn`.
    public init(_ named: [(String, Column)], operation: String = "table") throws(FrameError) {
        let schema = try Schema(
            named.map { Field($0.0, $0.1.type) }, operation: operation)
        let rowCount = named.first?.1.count ?? 0
        for (name, column) in named where column.count != rowCount {
            throw FrameError(
                .lengthMismatch, operation: operation,
                reason: "it has \(column.count) rows, the first column has \(rowCount)",
                column: name)
        }
        self.init(schema: schema, columns: named.map(\.1), rowCount: rowCount)
    }

    /// For operators, whose columns fit by construction.
    init(schema: Schema, columns: [Column], rowCount: Int) {
        assert(columns.allSatisfy { $0.count == rowCount }, "columns of different lengths")
        assert(schema.count == columns.count, "a field per column")
        self.schema = schema
        self.columns = columns
        self.rowCount = rowCount
    }

    /// A table without rows.
    init(emptyWith schema: Schema) {
        self.init(
            schema: schema, columns: schema.fields.map { Column.empty($0.type) }, rowCount: 0)
    }

    /// - Throws: `missingColumn`.
    public func column(
        _ name: String, operation: String = "column"
    ) throws(FrameError) -> Column {
        columns[try schema.requireIndex(of: name, operation: operation)]
    }

    /// Rows `range`, without a copy.
    public func slice(_ range: Range<Int>) -> Table {
        Table(
            schema: schema, columns: columns.map { $0.slice(range) }, rowCount: range.count)
    }
}

extension Table: ExpressibleByDictionaryLiteral {
    /// `["a": [1, nil, 3], "b": Column(["x", "y", nil])]`, in that order. Traps if lengths differ
    /// or names repeat: a literal is the programmer's; use `init(_:)` for data.
    public init(dictionaryLiteral elements: (String, Column)...) {
        do {
            self = try Table(elements)
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
