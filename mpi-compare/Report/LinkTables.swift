// The tables of `nat-grid` (places against places) and `mesh` (one row per size).
import Lab

/// The grid: two lines per cell, what became of it and how fast; then the special pairs, then what
/// is wrong.
public func renderGrid(_ records: [GridRecord], isColoured: Bool) -> [String] {
    let pairs = records.filter { !$0.isSpecial }
    var places: [String] = []
    for place in pairs.flatMap({ [$0.cell.left, $0.cell.right] }) where !places.contains(place) {
        places.append(place)
    }
    let label = (records.map(\.cell.left) + places).map(\.count).max() ?? 0
    let width = max(14, places.map(\.count).max() ?? 0)
    func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    func row(_ title: String, _ cells: [GridRecord?]) -> [String] {
        let first = cells.map { record in
            record.map { colour(pad($0.verdict, width), $0, isColoured) } ?? pad("", width)
        }
        let second = cells.map { pad($0?.figures ?? "", width) }
        return [[pad(title, label)] + first, [pad("", label)] + second]
            .map { $0.joined(separator: "  ") }
    }
    var lines: [String] = []
    let rule = String(repeating: "─", count: label + max(1, places.count) * (width + 2))
    if !places.isEmpty {
        lines.append(([pad("", label)] + places.map { pad($0, width) }).joined(separator: "  "))
        lines.append(rule)
        for left in places {
            lines += row(
                left,
                places.map { right in
                    pairs.first { $0.cell.left == left && $0.cell.right == right }
                })
        }
        lines.append(rule)
    }
    for record in records where record.isSpecial { lines += row(record.cell.left, [record]) }
    lines += [
        "successes of tries, median milliseconds from the roster to a link that both have;",
        "host, reflexive: direct, by the peer's own or its router's address; "
            + "relayed: through the server",
    ]
    for record in records where !record.isAsExpected {
        lines.append(
            colour(
                "✗ \(record.cell.left) ↔ \(record.cell.right): expected "
                    + "\(record.cell.expectation.words)"
                    + (record.links.complaint.map { "; \($0)" } ?? ""), record, isColoured))
    }
    return lines
}

extension GridRecord {
    fileprivate var isSpecial: Bool { GridCell.special.contains { $0.left == cell.left } }

    fileprivate var verdict: String {
        (isAsExpected ? "✓ " : "✗ ") + (links.mainPath.map(shortPath) ?? "no path")
    }

    fileprivate var figures: String {
        let time = middle(links.connectMilliseconds).map { " " + fixed($0, $0 < 100 ? 1 : 0) } ?? ""
        return "  \(links.successes)/\(links.tries)\(time)"
    }
}

/// Green: direct. Yellow: relayed. Red: not as expected.
private func colour(_ text: String, _ record: GridRecord, _ isColoured: Bool) -> String {
    if !isColoured { return text }
    let number = !record.isAsExpected ? 31 : record.links.mainPath == "relayed" ? 33 : 32
    return "\u{1B}[\(number)m\(text)\u{1B}[0m"
}

private func shortPath(_ path: String) -> String {
    path == "server-reflexive" ? "reflexive" : path
}

/// One row per mesh.
public func renderMeshes(_ records: [MeshRecord]) -> [String] {
    var table = TextTable([
        ("topology", .left), ("ranks", .right), ("encryption", .left), ("complete", .right),
        ("min", .right), ("median", .right), ("max", .right), ("links", .left),
    ])
    for record in records {
        let links = record.links
        func cell(_ value: Double?) -> String { value.map { fixed($0, 1) } ?? "–" }
        let paths = links.paths.sorted { $0.key < $1.key }.map { path, count in
            "\(count / max(1, links.successes)) \(shortPath(path))"
        }
        table.add([
            record.topology, String(record.ranks), record.encryption,
            "\(links.successes)/\(links.tries)", cell(links.setUpMilliseconds.min()),
            cell(middle(links.setUpMilliseconds)), cell(links.setUpMilliseconds.max()),
            paths.joined(separator: ", "),
        ])
    }
    return table.lines() + [
        "milliseconds from the last rank's start until every link of every rank is usable"
    ]
}
