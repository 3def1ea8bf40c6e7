// The algorithms there are, by their names in the literature: for statistics, traces and `explain`.

/// How a collective is carried out.
public enum CollectiveAlgorithm: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// The transport's own: MPI's choice, or a store's.
    case native
    /// All messages at once, each straight to where it belongs.
    case direct
    case binomialTree
    /// Broadcast as a scatter and a direct allgather (van de Geijn).
    case scatterAllgather
    /// Reduction as a direct reduce-scatter and a direct (all)gather (Rabenseifner).
    case reduceScatterGather
    case recursiveDoubling
    case bruck
    case dissemination
    /// No message at all.
    case local

    public var description: String {
        switch self {
        case .native: "native"
        case .direct: "direct"
        case .binomialTree: "binomial tree"
        case .scatterAllgather: "scatter and allgather"
        case .reduceScatterGather: "reduce-scatter and gather"
        case .recursiveDoubling: "recursive doubling"
        case .bruck: "Bruck"
        case .dissemination: "dissemination"
        case .local: "local"
        }
    }
}

extension Collective {
    /// The default algorithm of this call among `size` ranks.
    public func defaultAlgorithm(size: Int, _ choice: AlgorithmChoice) -> CollectiveAlgorithm {
        let (byteCount, width) = contribution
        return choice.algorithm(
            operation, byteCount: byteCount, elementCount: byteCount / max(width, 1), size: size)
    }

    /// Bytes of one rank's contribution, as `AlgorithmChoice` counts them, and the width of an
    /// element.
    private var contribution: (byteCount: Int, width: Int) {
        switch self {
        case .barrier: (0, 1)
        case .bcast(let buffer, _): (buffer.count, 1)
        case .gather(let part, _, _), .gatherv(let part, _, _, _, _), .allgather(let part, _),
            .allgatherv(let part, _, _, _):
            (part.count, 1)
        case .scatter(_, let part, _), .scatterv(_, _, let part, _, _): (part.count, 1)
        case .alltoall(let send, _), .alltoallv(let send, _, _, _, _): (send.count, 1)
        case .reduce(let send, _, let reduction, _), .allreduce(let send, _, let reduction),
            .reduceScatter(let send, _, _, let reduction), .scan(let send, _, let reduction),
            .exscan(let send, _, let reduction):
            (send.count, reduction.elementSize)
        }
    }
}
