// The answers themselves: what the workload computed, once, as all runs agree.
import Records

/// The checksum and the first rows of each result table.
public func renderAnswers(_ records: [RunRecord]) -> [String] {
    let successful = records.filter { $0.error == nil && $0.result != nil }
    guard let first = successful.first, let result = first.result else { return [] }
    var lines: [String] = []
    let checksums = Set(successful.compactMap { $0.result?.checksum })
    if checksums.count == 1 {
        let runs = successful.count == 1 ? "1 run" : "all \(successful.count) runs agree"
        lines.append("✓ checksum \(result.checksum): \(runs)")
    } else {
        lines.append("✓ checksums agree at each number of ranks")
    }
    for table in result.tables { lines += ["", table.name] + render(table) }
    return lines
}

private func render(_ table: ResultTable) -> [String] {
    let rowsShown = 5
    var text = TextTable(
        table.columns.enumerated().map { index, title in
            let isText = table.rows.first.map { row in
                if case .text = row[index] { true } else { false }
            }
            return (title, isText ?? false ? .left : .right)
        })
    for row in table.rows.prefix(rowsShown) { text.add(row.map(display)) }
    var lines = text.lines()
    if table.rows.count > rowsShown { lines.append("… \(table.rows.count - rowsShown) more rows") }
    return lines
}

private func display(_ cell: Cell) -> String {
    if case .number(let value) = cell { fixed(value, 3) } else { "\(cell)" }
}
