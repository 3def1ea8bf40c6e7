// Sums over calls: what a program spends its time in, per communicator and operation.

import MessagePassing

/// What the calls of one kind on one communicator amount to.
public struct OperationStatistics: Sendable, Equatable {
    /// Number of the communicator on its rank, in the order they were made; 0 is the world.
    public let communicator: Int
    public let operation: String
    /// Of the collectives: how they were carried out; nil for other calls.
    public let algorithm: CollectiveAlgorithm?
    public internal(set) var calls = 0
    /// Payload that this rank's calls moved to other ranks, by MPI's definition of the operation.
    public internal(set) var byteCount = 0
    /// Seconds inside the calls.
    public internal(set) var seconds = 0.0
    /// Of these, with nothing to do but wait for other ranks; nil if the transport does not tell.
    /// The rest is transfer: copies, system calls, reductions.
    public internal(set) var waitSeconds: Double?

    init(_ event: Event) {
        communicator = Int(event.communicator)
        operation = "\(event.operation)"
        algorithm = CollectiveAlgorithm(rawValue: event.algorithm)
    }

    mutating func add(_ event: Event) {
        calls += 1
        byteCount += Int(event.byteCount)
        seconds += Double(event.duration) / 1e9
        if event.idle >= 0 { waitSeconds = (waitSeconds ?? 0) + Double(event.idle) / 1e9 }
    }
}

extension [OperationStatistics] {
    /// A table for people, the longest first.
    func table(title: String) -> String {
        var lines = [title]
        let header = ["comm", "operation", "algorithm", "calls", "bytes", "seconds", "waiting"]
        var rows = [header]
        for entry in sorted(by: { $0.seconds > $1.seconds }) {
            rows.append([
                "\(entry.communicator)", entry.operation,
                entry.algorithm.map { "\($0)" } ?? "", "\(entry.calls)", "\(entry.byteCount)",
                decimal(entry.seconds), entry.waitSeconds.map(decimal) ?? "",
            ])
        }
        let widths = header.indices.map { column in
            rows.map { $0[column].count }.max() ?? 0
        }
        for row in rows {
            let cells = zip(row, widths).enumerated().map { index, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                // Words to the left, numbers to the right.
                return index == 1 || index == 2 ? cell.0 + padding : padding + cell.0
            }
            lines.append("  " + cells.joined(separator: "  "))
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Seconds with six decimals.
private func decimal(_ seconds: Double) -> String {
    let micros = Int((seconds * 1e6).rounded())
    let fraction = "\(micros % 1_000_000)"
    let zeros = String(repeating: "0", count: 6 - fraction.count)
    return "\(micros / 1_000_000).\(zeros)\(fraction)"
}
