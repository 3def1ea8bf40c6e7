// A plan as text: what will run, from the result down to the sources, with rows, bytes and where
// the ranks will exchange messages.

extension Query {
    /// The plan that `collect()` will run, one step per line, inputs indented below it: the step, its
    /// estimated rows and bytes on this rank, and what the ranks will exchange for it.
    ///
    ///     groupBy by ["carrier"]: ["mean as delay_mean"]  ≤ 120 000 rows, 2.9 MB · shuffles groups …
    ///     └─ select [carrier, delay]  120 000 rows, 2.9 MB
    ///        └─ source  120 000 rows, 40 MB
    ///
    /// Numbers without a mark are exact, `≤` is a bound, `~` a guess. Which side of a join is sent
    /// is decided when it runs, by the true sizes. Local.
    ///
    /// - Parameter optimised: false shows the plan as the program wrote it.
    /// - Throws: `FrameError`: never for a query that exists.
    public func explain(optimised: Bool = true) throws(FrameError) -> String {
        let root = optimised ? try plan.optimised() : plan
        var estimates: [ObjectIdentifier: PlanEstimate] = [:]
        for node in root.inOrder {
            let inputs = node.inputs.compactMap { estimates[ObjectIdentifier($0)] }
            estimates[ObjectIdentifier(node)] = PlanEstimate(node, inputs)
        }
        var text = PlanText(estimates: estimates)
        text.write(root, first: "", rest: "")
        return text.lines.joined(separator: "\n")
    }
}

private struct PlanText {
    let estimates: [ObjectIdentifier: PlanEstimate]
    var lines: [String] = []
    /// Steps with more than one user, by their number of appearance.
    private var numbers: [ObjectIdentifier: Int] = [:]

    init(estimates: [ObjectIdentifier: PlanEstimate]) { self.estimates = estimates }

    mutating func write(_ node: PlanNode, first: String, rest: String) {
        let id = ObjectIdentifier(node)
        if let number = numbers[id], !node.inputs.isEmpty {
            lines.append("\(first)\(node.name) as in line \(number)")
            return
        }
        numbers[id] = lines.count + 1
        lines.append(first + line(node))
        for (index, input) in node.inputs.enumerated() {
            let isLast = index == node.inputs.count - 1
            write(
                input, first: rest + (isLast ? "└─ " : "├─ "),
                rest: rest + (isLast ? "   " : "│  "))
        }
    }

    private func line(_ node: PlanNode) -> String {
        var line = node.name
        if case .source = node.operation {} else { line += " \(node.operation.summary)" }
        guard let estimate = estimates[ObjectIdentifier(node)] else { return line }
        line += "  \(estimate.certainty.rawValue)\(grouped(estimate.rowCount)) rows, "
        line += bytesText(estimate.byteCount)
        if let movement = estimate.movement { line += " · \(movement)" }
        return line
    }

    /// In threes: `1 200 000`.
    private func grouped(_ value: Int) -> String {
        var text = ""
        for (index, digit) in String(value).reversed().enumerated() {
            if index > 0, index.isMultiple(of: 3) { text.append(" ") }
            text.append(digit)
        }
        return String(text.reversed())
    }

    private func bytesText(_ count: Int) -> String {
        var (value, unit) = (Double(count), 0)
        let units = ["B", "kB", "MB", "GB", "TB"]
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        if unit == 0 { return "\(count) B" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
