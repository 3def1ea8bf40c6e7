// The table that `mpi-compare run` ends with: one row per environment and number of ranks.
import Records

/// Speed-up and efficiency of a record against the smallest number of ranks of its environment.
public struct Scaling: Sendable, Equatable {
    public var speedUp: Double
    public var efficiency: Double

    /// Strong: T(P₀)·P₀ / T(P). Weak: the work grows with P, so the same work per second counts,
    /// T(P₀)·P / T(P), of which T(P₀) / T(P) is the efficiency. P₀ is usually 1.
    public init?(_ record: RunRecord, among records: [RunRecord]) {
        let family = records.filter {
            $0.environment == record.environment && $0.error == nil && !$0.iterations.isEmpty
        }
        guard record.error == nil, record.secondsMedian > 0,
            let base = family.min(by: { $0.ranks < $1.ranks })
        else { return nil }
        let ratio = base.secondsMedian / record.secondsMedian
        let ranks = Double(record.ranks)
        let work = record.mode == "weak" ? ranks : Double(base.ranks)
        speedUp = ratio * work
        efficiency = speedUp / ranks
    }
}

/// All lines of the report.
///
/// - Parameter agrees: did `findDisagreements` find nothing?
public func renderRuns(_ records: [RunRecord], agrees: Bool) -> [String] {
    guard records.contains(where: { $0.error == nil }) else { return [] }
    var table = TextTable([
        ("environment", .left), ("ranks", .right), ("set-up", .right), ("compute", .right),
        ("comm.", .right), ("median", .right), ("min", .right), ("speed-up", .left),
        ("eff.", .right), ("MB", .right), ("rows out  ", .right),
    ])
    var previous: String?
    for record in records where record.error == nil {
        if let previous, previous != record.environment { table.addRule() }
        table.add(cells(record, records, isFirst: previous != record.environment, agrees))
        previous = record.environment
    }
    return table.lines() + footnotes(records)
}

private func cells(
    _ record: RunRecord, _ records: [RunRecord], isFirst: Bool, _ agrees: Bool
) -> [String] {
    let scaling = Scaling(record, among: records)
    let rows = record.result.map { grouped($0.outputRows) } ?? "–"
    return [
        isFirst ? record.environment : "",
        "\(record.ranks)" + (record.oversubscribed ? "*" : " "),
        short(record.setupMedian),
        short(record.computeSeconds),
        short(record.communicationSeconds),
        short(record.secondsMedian),
        short(record.secondsMin),
        scaling.map { speedUpCell($0, records) } ?? "–",
        scaling.map { fixed($0.efficiency * 100, 0) + "%" } ?? "–",
        short(Double(record.bytes) / 1e6),
        rows + (agrees ? " ✓" : " ✗"),
    ]
}

/// Enough digits to compare and no more: 0.123, 12.35, 123.4, 12345.
private func short(_ value: Double) -> String {
    fixed(value, value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0)
}

/// The number and a bar of up to three blocks, full at the largest speed-up of the table.
private func speedUpCell(_ scaling: Scaling, _ records: [RunRecord]) -> String {
    let largest = records.compactMap { Scaling($0, among: records)?.speedUp }.max() ?? 1
    let number = fixed(scaling.speedUp, scaling.speedUp < 9.995 ? 2 : 1) + "×"
    let padding = String(repeating: " ", count: max(0, 5 - number.count))
    return padding + number + " " + bar(scaling.speedUp / max(largest, 1), cells: 3)
}

private func footnotes(_ records: [RunRecord]) -> [String] {
    var notes = [
        "seconds; median and min over repetitions of the slowest rank, from barrier to barrier;",
        "comm. includes waiting for slower ranks; set-up: entry of the process to entry of the body",
    ]
    if records.contains(where: { $0.oversubscribed && $0.error == nil }) {
        notes.append("* more ranks than processors (oversubscribed)")
    }
    return notes
}

/// A bar of `cells` characters at most, in eighths; never empty for a positive fraction.
public func bar(_ fraction: Double, cells: Int) -> String {
    let eighths = max(1, Int((min(max(fraction, 0), 1) * Double(cells * 8)).rounded()))
    let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    return String(repeating: "█", count: eighths / 8) + partial[eighths % 8]
}

/// A number with a fixed count of decimals, as Foundation's `%.nf`.
public func fixed(_ value: Double, _ decimals: Int) -> String {
    if !value.isFinite { return "–" }
    var scale = 1
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * Double(scale)).rounded()
    guard scaled < 9e18 else { return "\(value)" }
    let whole = Int(scaled) / scale
    let sign = value < 0 && scaled > 0 ? "-" : ""
    if decimals == 0 { return "\(sign)\(whole)" }
    let digits = String(Int(scaled) % scale)
    return "\(sign)\(whole)." + String(repeating: "0", count: decimals - digits.count) + digits
}

/// 10111764 as `10 111 764`.
public func grouped(_ number: Int) -> String {
    var text = ""
    let digits = Array(String(number.magnitude))
    for (index, digit) in digits.enumerated() {
        if index > 0 && (digits.count - index) % 3 == 0 { text += " " }
        text.append(digit)
    }
    return number < 0 ? "-" + text : text
}
