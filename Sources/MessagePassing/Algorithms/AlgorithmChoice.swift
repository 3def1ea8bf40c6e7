// Which algorithm runs, by message length and number of ranks; the same on all ranks, without a message.
//
// On one host ranks share processors and memory, which no model of latency and bandwidth knows: the
// thresholds are where `mpi-compare bench` has one algorithm overtake another. Between hosts the
// cost model decides: latencies are hundreds of messages' worth of processor time there, so that one
// step to all ranks beats log₂ size steps for long.

/// By what the algorithm of a collective is chosen.
public enum AlgorithmChoice: Sendable, Equatable {
    /// By what was measured among ranks of one host, where a message takes a processor's time rather
    /// than the network's.
    /// - Parameter copiedBytes: of all parts of an allgather, that are worth copying once more.
    case measuredOnOneHost(copiedBytes: Int = 512 << 10)
    /// By what messages cost (`CostModel`).
    case modelled(ChannelCosts)

    /// The algorithm of `operation`.
    ///
    /// - Parameters:
    ///   - byteCount: of one rank's contribution: the vector, or one part (gather, scatter,
    ///     allgather, alltoall: what goes from one rank to one other).
    ///   - elementCount: of a reduction's vector, which is not cut within an element.
    package func algorithm(
        _ operation: CollectiveOperation, byteCount: Int, elementCount: Int, size: Int
    ) -> CollectiveAlgorithm {
        if size == 1 { return .local }
        switch operation {
        case .barrier, .bcast, .reduce, .allreduce, .allgather, .split: break
        case .scan, .exscan: return .recursiveDoubling
        case .gather, .gatherv, .scatter, .scatterv, .allgatherv, .alltoall, .alltoallv,
            .reduceScatter:
            return .direct
        case .dup: return .local
        }
        switch self {
        case .measuredOnOneHost(let copiedBytes):
            return Self.measured(
                operation, byteCount: byteCount, elementCount: elementCount, size: size,
                copiedBytes)
        case .modelled(let costs):
            return Self.cheapest(
                operation, byteCount: byteCount, elementCount: elementCount, size: size, costs)
        }
    }

    // MARK: Between hosts

    private static func cheapest(
        _ operation: CollectiveOperation, byteCount: Int, elementCount: Int, size: Int,
        _ costs: ChannelCosts
    ) -> CollectiveAlgorithm {
        var best = CollectiveAlgorithm.direct
        var least = Double.infinity
        func consider(_ algorithm: CollectiveAlgorithm) {
            let seconds = Work.sent(operation, by: algorithm, byteCount, size).seconds(on: costs)
            if seconds < least { (best, least) = (algorithm, seconds) }
        }
        consider(.direct)
        switch operation {
        case .barrier: consider(.dissemination)
        case .bcast:
            consider(.binomialTree)
            if size > 2 { consider(.scatterAllgather) }
        case .reduce, .allreduce:
            consider(operation == .reduce ? .binomialTree : .recursiveDoubling)
            // Of two ranks one's vector is all there is to hear.
            if elementCount >= size, size > 2 || operation == .allreduce {
                consider(.reduceScatterGather)
            }
        default: consider(.bruck)
        }
        return best
    }

    // MARK: On one host

    /// Up to here a rank reaches all others in one step as fast as in ⌈log₂ size⌉.
    private static let fewRanks = 8
    /// Messages cost more than steps from here on.
    private static let manyRanks = 4
    /// Each rank's share of a vector that is worth dividing: two messages to and from every rank. Of
    /// many ranks, where whole vectors would go many times, a smaller one.
    private static func longShare(_ size: Int) -> Int { size < fewRanks ? 48 << 10 : 20 << 10 }
    /// Each rank's share of a broadcast that is worth dividing.
    private static let longCopy = 192 << 10

    private static func measured(
        _ operation: CollectiveOperation, byteCount: Int, elementCount: Int, size: Int,
        _ copiedBytes: Int
    ) -> CollectiveAlgorithm {
        switch operation {
        case .barrier: return size & (size - 1) == 0 ? .recursiveDoubling : .dissemination
        case .bcast:
            // The root alone, or a tree, sends many whole copies.
            if size > 2 && byteCount >= size * longCopy { return .scatterAllgather }
            return size <= fewRanks ? .direct : .binomialTree
        case .reduce where size == 2: return .direct
        case .reduce, .allreduce:
            if byteCount >= size * longShare(size) && elementCount >= size {
                return .reduceScatterGather
            }
            if operation == .reduce { return size <= fewRanks ? .direct : .binomialTree }
            let hearsAll = size > 2 && size < manyRanks && byteCount <= 4 << 10
            return hearsAll ? .direct : .recursiveDoubling
        default:
            // Bruck's algorithm copies every byte once more.
            return size >= manyRanks && byteCount <= copiedBytes / size ? .bruck : .direct
        }
    }
}
