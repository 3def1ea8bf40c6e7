// Why a channel is chosen, for people: a line per channel, the best first, and what decided.

extension CostModel {
    /// Lines of text: the question, a line per channel with time and price in parts, and what made
    /// the difference between the first two. Every figure is the model's, and it says so.
    public func explain(
        _ operation: MessageOperation, byteCount: Int, policy: CostPolicy
    ) -> [String] {
        let ranked = ranking(operation, byteCount: byteCount, policy: policy)
        guard let best = ranked.first else { return ["there is no channel to choose from"] }
        var lines = [
            "\(operation) of \(bytesText(byteCount)) among \(size) "
                + "rank\(size == 1 ? "" : "s"), \(policy.rawValue): \(best.channel) (modelled)"
        ]
        for estimate in ranked {
            let origin = channels.first { $0.channel == estimate.channel }?.origin ?? ""
            lines.append(
                "  \(padded("\(estimate.channel)", 8)) \(secondsText(estimate.seconds)) = "
                    + parts(of: estimate)
                    + "; \(dollarsText(estimate.dollars)) = \(prices(of: estimate))  [\(origin)]")
        }
        if ranked.count > 1 { lines.append("  " + reason(best, ranked[1], policy)) }
        return lines
    }

    private func parts(of estimate: CostEstimate) -> String {
        var parts = ["\(secondsText(estimate.latencySeconds)) latency"]
        if estimate.transferSeconds > 0 {
            parts.append("\(secondsText(estimate.transferSeconds)) transfer")
        }
        if estimate.pollingSeconds > 0 {
            parts.append("\(secondsText(estimate.pollingSeconds)) polling")
        }
        if estimate.combiningSeconds > 0 {
            parts.append("\(secondsText(estimate.combiningSeconds)) combining")
        }
        return parts.joined(separator: " + ")
    }

    private func prices(of estimate: CostEstimate) -> String {
        var parts = ["\(dollarsText(estimate.computeDollars)) ranks"]
        if estimate.requestDollars > 0 {
            parts.append(
                "\(dollarsText(estimate.requestDollars)) for \(Int(estimate.writes)) writes and "
                    + "\(Int(estimate.reads)) reads")
        }
        if estimate.serverDollars > 0 {
            parts.append("\(dollarsText(estimate.serverDollars)) server")
        }
        return parts.joined(separator: " + ")
    }

    /// What the winner saves over the next, and the part of it that weighs most.
    private func reason(
        _ best: CostEstimate, _ next: CostEstimate, _ policy: CostPolicy
    ) -> String {
        let values: (Double, Double)
        let differences: [(String, Double)]
        switch policy {
        case .fastest:
            values = (best.seconds, next.seconds)
            differences = [
                ("latency", next.latencySeconds - best.latencySeconds),
                ("transfer", next.transferSeconds - best.transferSeconds),
                ("polling", next.pollingSeconds - best.pollingSeconds),
                ("combining", next.combiningSeconds - best.combiningSeconds),
            ]
        case .cheapest:
            values = (best.dollars, next.dollars)
            differences = [
                ("the ranks' time", next.computeDollars - best.computeDollars),
                ("requests", next.requestDollars - best.requestDollars),
                ("the server", next.serverDollars - best.serverDollars),
            ]
        }
        guard values.1 > values.0, let largest = differences.max(by: { $0.1 < $1.1 }) else {
            return "\(best.channel) and \(next.channel) cost the same"
        }
        let word = policy == .fastest ? "faster" : "cheaper"
        let factor = values.0 > 0 ? "\(rounded(values.1 / values.0))× \(word)" : word
        return "\(best.channel) is \(factor) than \(next.channel), mostly by \(largest.0)"
    }
}

private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}

private func bytesText(_ count: Int) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where count >= 1 << shift {
        if count % (1 << shift) == 0 { return "\(count >> shift) \(unit)" }
    }
    return "\(count) B"
}

private func secondsText(_ seconds: Double) -> String {
    if seconds == 0 { return "0 s" }
    if seconds < 1e-3 { return "\(rounded(seconds * 1e6)) µs" }
    if seconds < 1 { return "\(rounded(seconds * 1e3)) ms" }
    return "\(rounded(seconds)) s"
}

private func dollarsText(_ dollars: Double) -> String {
    dollars == 0 ? "$0" : dollars < 0.01 ? "$\(rounded(dollars * 1e6))e-6" : "$\(rounded(dollars))"
}

/// Three significant digits.
private func rounded(_ value: Double) -> String {
    guard value.isFinite, value > 0 else { return "\(value)" }
    var scale = 1.0
    while value * scale < 100 { scale *= 10 }
    while value * scale >= 1000 { scale /= 10 }
    let result = (value * scale).rounded() / scale
    return result == result.rounded() && result < 1e15 ? "\(Int(result))" : "\(result)"
}
