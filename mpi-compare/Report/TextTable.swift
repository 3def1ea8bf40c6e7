// Draws a table in a terminal: columns as wide as their widest cell, numbers to the right, no
// vertical lines (they cost the width that figures need).

/// Rows of text under a header, with Unicode rules.
public struct TextTable {
    public enum Alignment: Sendable { case left, right }

    private let header: [String]
    private let alignments: [Alignment]
    /// nil is a rule across the table.
    private var rows: [[String]?] = []

    public init(_ columns: [(title: String, alignment: Alignment)]) {
        header = columns.map(\.title)
        alignments = columns.map(\.alignment)
    }

    /// - Precondition: one cell per column.
    public mutating func add(_ row: [String]) {
        precondition(row.count == header.count, "a row has one cell per column")
        rows.append(row)
    }

    public mutating func addRule() { rows.append(nil) }

    /// The lines: two spaces between columns, a rule above, below and under the header.
    public func lines() -> [String] {
        var widths = header.map(\.count)
        for row in rows {
            for (column, cell) in (row ?? []).enumerated() {
                widths[column] = max(widths[column], cell.count)
            }
        }
        let width = widths.reduce(0, +) + 2 * (widths.count - 1)
        func line(_ row: [String]) -> String {
            let cells = zip(zip(row, widths), alignments).map { pair, alignment in
                let padding = String(repeating: " ", count: pair.1 - pair.0.count)
                return alignment == .left ? pair.0 + padding : padding + pair.0
            }
            return cells.joined(separator: "  ")
        }
        let thin = String(repeating: "─", count: width)
        let thick = String(repeating: "━", count: width)
        return [thick, line(header), thin] + rows.map { $0.map { line($0) } ?? thin } + [thick]
    }
}
