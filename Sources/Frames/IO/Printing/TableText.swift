// Tables as text for people, in the manner of Polars: a box with names and types on top, the first
// and the last rows, and as many columns as fit.

/// A table's cells as texts, ready to be drawn.
struct TableText {
    var names: [String]
    var types: [DataType]
    /// The first and the last rows.
    var head: [[String]]
    var tail: [[String]]
    /// Rows of the whole table.
    var rowCount: Int

    /// At most `limit` rows: all, or as many from both ends.
    init(_ table: Table, limit: Int) {
        let (headCount, tailCount) = TableText.split(table.rowCount, limit: limit)
        self.init(
            table.schema, head: TableText.cells(table, 0..<headCount),
            tail: TableText.cells(table, table.rowCount - tailCount..<table.rowCount),
            rowCount: table.rowCount)
    }

    init(_ schema: Schema, head: [[String]], tail: [[String]], rowCount: Int) {
        names = schema.names.map(CellText.shortened)
        types = schema.fields.map(\.type)
        self.head = head
        self.tail = tail
        self.rowCount = rowCount
    }

    /// How many rows to show of the beginning and of the end.
    static func split(_ rowCount: Int, limit: Int) -> (head: Int, tail: Int) {
        let limit = max(limit, 0)
        if rowCount <= limit { return (rowCount, 0) }
        return ((limit + 1) / 2, limit / 2)
    }

    static func cells(_ table: Table, _ rows: Range<Int>) -> [[String]] {
        rows.map { row in table.columns.map { CellText.text($0, row) } }
    }

    /// The table in at most `width` columns of the terminal, as far as one column fits.
    func drawn(width: Int) -> String {
        let shape = "shape: (\(TableText.grouped(rowCount)), \(names.count))\n"
        if names.isEmpty { return shape }
        let shown = columnsThatFit(width)
        let header = [pick(shown, names), pick(shown, types.map { "\($0)" })]
        var rows = head.map { pick(shown, $0) }
        if head.count + tail.count < rowCount {
            rows.append(pick(shown, names.map { _ in "…" }))
        }
        rows += tail.map { pick(shown, $0) }
        let widths = (0..<header[0].count).map { column in
            (header + rows).reduce(1) { max($0, CellText.width($1[column])) }
        }
        func rule(_ left: String, _ fill: String, _ cross: String, _ right: String) -> String {
            left + widths.map { String(repeating: fill, count: $0 + 2) }.joined(separator: cross)
                + right + "\n"
        }
        let isRight = shown.map { $0.map { !types[$0].isText } ?? false }
        func line(_ cells: [String]) -> String {
            let padded = cells.indices.map { index in
                let space = String(
                    repeating: " ", count: widths[index] - CellText.width(cells[index]))
                return isRight[index] ? space + cells[index] : cells[index] + space
            }
            return "│ " + padded.joined(separator: " ┆ ") + " │\n"
        }
        return shape + rule("┌", "─", "┬", "┐") + header.map(line).joined()
            + rule("╞", "═", "╪", "╡") + rows.map(line).joined() + rule("└", "─", "┴", "┘")
    }

    /// Positions of the columns to draw, nil standing for those left out in the middle.
    private func columnsThatFit(_ width: Int) -> [Int?] {
        let widths = names.indices.map { column in
            let cells = (head + tail).reduce(1) { max($0, CellText.width($1[column])) }
            return max(
                cells, CellText.width(names[column]), CellText.width("\(types[column])")) + 3
        }
        if widths.reduce(1, +) <= width { return names.indices.map { $0 } }
        // The column of dots takes four.
        var room = width - 1 - 4
        var first = 0
        var last = names.count
        while first < last {
            let next = first <= names.count - last ? first : last - 1
            if widths[next] > room && first > 0 { break }
            room -= widths[next]
            if next == first { first += 1 } else { last -= 1 }
        }
        return (0..<first).map { $0 } + [nil] + (last..<names.count).map { $0 }
    }

    private func pick(_ positions: [Int?], _ cells: [String]) -> [String] {
        positions.map { $0.map { cells[$0] } ?? "…" }
    }

    /// 336776 as 336_776.
    private static func grouped(_ value: Int) -> String {
        let digits = Array("\(value)")
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index) % 3 == 0 { text += "_" }
            text.append(digit)
        }
        return text
    }
}

extension Table: CustomStringConvertible {
    /// This rank's rows, at most ten, as a box of 100 columns.
    public var description: String { TableText(self, limit: 10).drawn(width: 100) }
}
