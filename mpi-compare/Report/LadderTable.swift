// What `mpi-compare bench` shows: one table per operation and number of ranks, lengths down,
// environments across, each time with its ratio to the first environment's.
import CompactJSON
import Glibc
import Records

/// One rung in one environment: the times of its turns.
public struct LadderRecord: Sendable {
    public var operation: String
    public var environment: String
    public var ranks: Int
    public var byteCount: Int
    /// Of one execution, per turn.
    public var microseconds: [Double] = []

    public init(operation: String, environment: String, ranks: Int, byteCount: Int) {
        self.operation = operation
        self.environment = environment
        self.ranks = ranks
        self.byteCount = byteCount
    }

    public var median: Double { microseconds.isEmpty ? .nan : quantile(0.5) }

    /// Half the range in which the middle half of the turns lie, as a share of the median.
    var spread: Double { (quantile(0.75) - quantile(0.25)) / (2 * median) }

    private func quantile(_ share: Double) -> Double {
        let sorted = microseconds.sorted()
        guard let last = sorted.last else { return .nan }
        let position = share * Double(sorted.count - 1)
        let low = Int(position)
        let next = low + 1 < sorted.count ? sorted[low + 1] : last
        return sorted[low] + (position - Double(low)) * (next - sorted[low])
    }

    public var json: JSONValue {
        .object([
            JSONField("op", .string(operation)),
            JSONField("environment", .string(environment)),
            JSONField("ranks", .integer(ranks)),
            JSONField("bytes", .integer(byteCount)),
            JSONField("repetitions", .integer(microseconds.count)),
            JSONField("us_median", .number(median)),
            JSONField("us_min", .number(microseconds.min() ?? .nan)),
            JSONField("us_max", .number(microseconds.max() ?? .nan)),
            JSONField("mb_per_second", .number(Double(byteCount) / median)),
        ])
    }
}

/// The tables, and under each the geometric mean of the ratios.
public func renderLadder(_ records: [LadderRecord]) -> [String] {
    var lines: [String] = []
    for group in groups(of: records, by: { "\($0.operation) · \($0.ranks) ranks" }) {
        let environments = groups(of: group.members, by: \.environment)
        guard let first = environments.first else { continue }
        var columns: [(title: String, alignment: TextTable.Alignment)] = [("bytes", .right)]
        for environment in environments {
            columns.append((environment.name, .right))
            columns.append(("±", .right))
            if environment.name != first.name { columns.append(("×", .right)) }
        }
        var table = TextTable(columns)
        for (row, reference) in first.members.enumerated() {
            var cells = [byteText(reference.byteCount)]
            for environment in environments {
                let record = environment.members[row]
                cells.append(timeText(record.median))
                cells.append("\(Int((record.spread * 100).rounded()))%")
                if environment.name != first.name {
                    cells.append(fixed(reference.median / record.median, 2))
                }
            }
            table.add(cells)
        }
        lines.append(group.name)
        lines += table.lines()
        for environment in environments.dropFirst() where first.members.count > 1 {
            let logarithms = zip(first.members, environment.members).map {
                log($0.median / $1.median)
            }
            let mean = exp(logarithms.reduce(0, +) / Double(logarithms.count))
            lines.append(
                "\(environment.name) is \(fixed(mean, 2)) times as fast as \(first.name)"
                    + " (geometric mean)")
        }
        lines.append("")
    }
    if !lines.isEmpty {
        lines.append(
            "microseconds of one execution, medians over turns; ± half the middle half's range;"
                + " × how many times as fast")
    }
    return lines
}

/// In the order of first appearance.
private func groups(
    of records: [LadderRecord], by key: (LadderRecord) -> String
) -> [(name: String, members: [LadderRecord])] {
    var groups: [(name: String, members: [LadderRecord])] = []
    var places: [String: Int] = [:]
    for record in records {
        let name = key(record)
        if let place = places[name] {
            groups[place].members.append(record)
        } else {
            places[name] = groups.count
            groups.append((name, [record]))
        }
    }
    return groups
}

public func byteText(_ count: Int) -> String {
    if count >= 1 << 20 && count % (1 << 20) == 0 { return "\(count >> 20) MiB" }
    if count >= 1 << 10 && count % (1 << 10) == 0 { return "\(count >> 10) KiB" }
    return "\(count)"
}

private func timeText(_ microseconds: Double) -> String {
    fixed(microseconds, microseconds < 10 ? 2 : microseconds < 1000 ? 1 : 0)
}
