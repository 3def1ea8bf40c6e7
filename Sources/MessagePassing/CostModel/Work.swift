// How much an operation asks of a channel: which messages follow each other, which bytes a rank
// moves, which requests a store bills. The counts are those of the algorithms in Algorithms/ and,
// for stores, of ServerlessMPI's; a test compares them with what is really sent.

/// An operation whose cost is asked for: point-to-point, or a collective.
public enum MessageOperation: Hashable, Sendable, CustomStringConvertible {
    case send
    case collective(CollectiveOperation)

    /// `send` or a collective's name; nil for anything else.
    public init?(named name: String) {
        if name == "send" {
            self = .send
        } else if let operation = CollectiveOperation.allCases.first(where: { "\($0)" == name }) {
            self = .collective(operation)
        } else {
            return nil
        }
    }

    public static var names: [String] {
        ["send"] + CollectiveOperation.allCases.map { "\($0)" }
    }

    public var description: String {
        switch self {
        case .send: "send"
        case .collective(let operation): "\(operation)"
        }
    }
}

/// What one operation takes on one kind of channel.
package struct Work: Equatable {
    /// Latencies one after the other.
    package var steps = 0.0
    /// Messages that the busiest rank sends and receives; 0 where a latency has that in it.
    var messages = 0.0
    /// Bytes that the busiest rank moves one after the other.
    package var byteCount = 0.0
    /// How many ranks do so at the same time.
    var busyRanks = 1
    /// Bytes that the busiest rank combines.
    var combinedByteCount = 0.0
    /// Waits of a receiver that polls.
    package var polls = 0.0
    /// Requests of all ranks together; 0 on direct channels.
    var writes = 0.0
    var reads = 0.0

    /// - Parameters:
    ///   - byteCount: of one rank's contribution: the message, the vector, or one part (gather,
    ///     scatter, allgather, alltoall: what goes from one rank to one other).
    ///   - choice: of the algorithm, on a channel that is no store.
    package init(
        _ operation: MessageOperation, byteCount: Int, size: Int, storage: Bool,
        choice: AlgorithmChoice = .modelled(.default(.direct))
    ) {
        if size <= 1 { return }
        switch operation {
        case _ where storage: self = .stored(operation, Double(byteCount), size)
        case .send:
            steps = 1
            self.byteCount = Double(byteCount)
        case .collective(let collective):
            let algorithm = choice.algorithm(
                collective, byteCount: byteCount, elementCount: byteCount, size: size)
            self = .sent(collective, by: algorithm, byteCount, size)
        }
    }

    /// What it takes by a model of latency, processor time per message, bandwidth and combining.
    func seconds(
        on costs: ChannelCosts, combinedBytesPerSecond: Double = CostModel.combinedBytesPerSecond
    ) -> Double {
        steps * costs.latencySeconds + messages * costs.overheadSeconds
            + costs.transferSeconds(byteCount, ranks: busyRanks)
            + combinedByteCount / combinedBytesPerSecond
    }

    private init() {}

    static func sent(
        _ operation: CollectiveOperation, by algorithm: CollectiveAlgorithm, _ length: Int,
        _ size: Int
    ) -> Work {
        let n = Double(length)
        let p = Double(size)
        let others = p - 1
        let rounds = Double(ceilLog2(size))
        var work = Work()
        work.busyRanks = size
        /// One message each way per step.
        func doubling(_ bytes: Double) {
            work.steps = rounds
            work.messages = 2 * rounds
            work.byteCount = bytes
        }
        /// One message to, and one from, every other rank per step.
        func everyone(_ steps: Double, _ bytes: Double) {
            work.steps = steps
            work.messages = 2 * steps * others
            work.byteCount = bytes
        }
        switch operation {
        case .barrier: algorithm == .direct ? everyone(1, 0) : doubling(0)
        case .dup: break
        case .bcast:
            switch algorithm {
            case .scatterAllgather:
                // The root only sends.
                everyone(2, 2 * n * others / p)
                work.messages = 2 * others
            case .direct:
                work.steps = 1
                work.messages = others
                work.byteCount = others * n
            default:
                work.steps = rounds
                work.messages = rounds
                work.byteCount = rounds * n
            }
        case .scan, .exscan:
            doubling(rounds * n)
            work.combinedByteCount = rounds * n
        case .reduce, .allreduce:
            switch algorithm {
            case .reduceScatterGather:
                everyone(2, 2 * n * others / p)
                // In the second step a root only receives.
                if operation == .reduce { work.messages = 3 * others }
                work.combinedByteCount = n * others / p
            case .direct where operation == .reduce:
                work.steps = 1
                work.messages = others
                work.byteCount = others * n
                work.combinedByteCount = others * n
            case .direct:
                everyone(1, others * n)
                work.combinedByteCount = others * n
            default:
                doubling(rounds * n)
                // The root of a tree only receives. Where ranks are no power of two, some pair up
                // first, and are told last.
                if operation == .reduce {
                    work.messages = rounds
                } else if size & (size - 1) != 0 {
                    work.steps += 1
                }
                work.combinedByteCount = rounds * n
            }
        case .reduceScatter:
            everyone(1, n * others / p)
            work.combinedByteCount = n * others / p
        case .gather, .gatherv, .scatter, .scatterv:
            work.steps = 1
            work.messages = others
            work.byteCount = others * n
            work.busyRanks = 1
        case .allgatherv, .alltoall, .alltoallv: everyone(1, others * n)
        case .allgather, .split:
            algorithm == .bruck ? doubling(others * n) : everyone(1, others * n)
        }
        return work
    }

    /// A store: write, notice, read. What several ranks need is written once.
    private static func stored(_ operation: MessageOperation, _ n: Double, _ size: Int) -> Work {
        let p = Double(size)
        var work = Work()
        work.steps = 2
        work.polls = 1
        work.busyRanks = size
        guard case .collective(let collective) = operation else {
            work.busyRanks = 1
            work.byteCount = 2 * n
            work.writes = 1
            work.reads = 1
            return work
        }
        switch collective {
        case .dup:
            return Work()
        case .barrier:
            // A write and a listing each.
            work.writes = 2 * p
        case .bcast:
            work.byteCount = 2 * n
            work.writes = 1
            work.reads = p - 1
        case .gather, .gatherv, .scatter, .scatterv, .reduce:
            work.byteCount = n * p
            work.busyRanks = 1
            work.writes = p - 1
            work.reads = p - 1
            if collective == .reduce { work.combinedByteCount = (p - 1) * n }
        case .allgather, .allgatherv, .split, .allreduce, .scan, .exscan:
            work.steps = 3
            work.byteCount = n * p
            work.writes = 2 * p
            work.reads = p * (p - 1)
            if [.allreduce, .scan, .exscan].contains(collective) {
                work.combinedByteCount = (p - 1) * n
            }
        case .alltoall, .alltoallv:
            work.byteCount = 2 * (p - 1) * n
            work.writes = p * (p - 1)
            work.reads = p * (p - 1)
        case .reduceScatter:
            work.byteCount = 2 * (p - 1) * n / p
            work.combinedByteCount = n * (p - 1) / p
            work.writes = p * (p - 1)
            work.reads = p * (p - 1)
        }
        return work
    }
}

/// ⌈log₂ value⌉ for positive values.
private func ceilLog2(_ value: Int) -> Int {
    Int.bitWidth - max(value - 1, 0).leadingZeroBitCount
}
