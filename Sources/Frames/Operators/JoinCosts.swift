// Which side of a join moves, in seconds: what the messages cost on this communicator by the cost
// model, and what ranks have to work on afterwards. Pure, so that ranks that know the same sizes take
// the same way, and `explain()` can tell it beforehand.

import MessagePassing

/// What the ways to bring the rows of two sides together take.
package struct JoinCosts: Sendable {
    package enum Way: Sendable {
        case sendRight, sendLeft, shuffle
    }

    /// In place of the communicator's costs: tests are about one way or another.
    @TaskLocal package static var assumed: ChannelCosts?

    private let model: CostModel
    private let costs: ChannelCosts
    private let leftBytes: Double
    private let rightBytes: Double
    private let kind: JoinKind
    private var rankCount: Double { Double(model.size) }

    /// Bytes per second that a rank lays out in messages, and that it hashes and matches: measured on
    /// one core of the machine of docs/BENCHMARKS.md, and no more than a weight beside transfers.
    private static let packedBytesPerSecond = 2e9
    private static let matchedBytesPerSecond = 0.4e9

    /// - Parameter leftBytes, rightBytes: of all ranks together.
    init(
        _ kind: JoinKind, leftBytes: Int, rightBytes: Int, size: Int, costs: ChannelCosts
    ) {
        var costs = costs
        // Nothing beside rows, and not among what ranks tell each other.
        costs.overheadSeconds = 0
        model = CostModel(size: size, channels: [costs])
        self.costs = costs
        self.kind = kind
        self.leftBytes = Double(leftBytes)
        self.rightBytes = Double(rightBytes)
    }

    /// What messages cost on `communicator`.
    static func costs(of communicator: any Communicator) -> ChannelCosts {
        assumed ?? communicator.channelCosts
    }

    /// Seconds for one way; nil where it would yield other rows.
    func seconds(_ way: Way) -> Double? {
        switch way {
        case .sendRight: kind == .full ? nil : sendSeconds(rightBytes, kept: leftBytes)
        case .sendLeft: kind == .inner ? sendSeconds(leftBytes, kept: rightBytes) : nil
        case .shuffle: shuffleSeconds
        }
    }

    /// The cheapest; a shuffle only if it is cheaper than leaving one side where it is.
    var best: Way {
        var best = Way.shuffle
        for way in [Way.sendLeft, .sendRight] {
            guard let seconds = seconds(way), let known = self.seconds(best) else { continue }
            if seconds <= known { best = way }
        }
        return best
    }

    /// A header and an allgatherv; then every rank works on all of one side.
    private func sendSeconds(_ sent: Double, kept: Double) -> Double {
        collective(.alltoall, Self.headerBytes) + collective(.allgatherv, sent / rankCount)
            + (sent + kept / rankCount) / Self.matchedBytesPerSecond
    }

    /// Per side a header and an alltoallv of 1/size² of its bytes per pair.
    private var shuffleSeconds: Double {
        let pair = rankCount * rankCount
        let share = (leftBytes + rightBytes) / rankCount
        return 2 * collective(.alltoall, Self.headerBytes)
            + collective(.alltoallv, leftBytes / pair) + collective(.alltoallv, rightBytes / pair)
            + share / Self.packedBytesPerSecond + share / Self.matchedBytesPerSecond
    }

    private static let headerBytes = Double(MemoryLayout<ExchangeHeader>.stride)

    private func collective(_ operation: CollectiveOperation, _ byteCount: Double) -> Double {
        model.estimate(.collective(operation), byteCount: Int(byteCount), on: costs).seconds
    }

    /// What decided, in words: `1.2 ms by the model, 3.4 ms for a shuffle`.
    /// - Parameter swapped: the program's left side is the model's right one.
    func reason(swapped: Bool) -> String {
        let best = best
        let others: [(Way, String)] = [
            (.sendRight, "to send the \(swapped ? "left" : "right") side"),
            (.sendLeft, "to send the left side"), (.shuffle, "for a shuffle"),
        ]
        let alternatives = others.compactMap { way, name -> String? in
            guard way != best, let seconds = seconds(way) else { return nil }
            return "\(Self.text(seconds)) \(name)"
        }
        let own = Self.text(seconds(best) ?? 0)
        return "\(own) by the model" + alternatives.map { ", \($0)" }.joined()
    }

    private static func text(_ seconds: Double) -> String {
        var (value, unit) = (seconds * 1e6, "µs")
        if value >= 1000 { (value, unit) = (value / 1000, "ms") }
        if value >= 1000 { (value, unit) = (value / 1000, "s") }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(unit)"
    }
}
