// What a collective moves by MPI's definition of it, whatever its algorithm sends.

extension Collective {
    /// Bytes of this rank's data that other ranks must get: of the vector in reductions, once.
    public func payloadToOthers(rank: Int, size: Int) -> Int {
        let others = size - 1
        switch self {
        case .barrier:
            return 0
        case .bcast(let buffer, let root):
            return rank == root ? buffer.count * others : 0
        case .gather(let part, _, let root), .gatherv(let part, _, _, _, let root),
            .reduce(let part, _, _, let root):
            return rank == root ? 0 : part.count
        case .scatter(_, let part, let root):
            return rank == root ? part.count * others : 0
        case .scatterv(_, let partition, _, let elementSize, let root):
            return rank == root ? Self.foreign(partition, rank) * elementSize : 0
        case .allgather(let part, _), .allgatherv(let part, _, _, _):
            return part.count * others
        case .alltoall(let send, _):
            return send.count / max(size, 1) * others
        case .alltoallv(_, let partition, _, _, let elementSize):
            return Self.foreign(partition, rank) * elementSize
        case .allreduce(let send, _, _):
            return others > 0 ? send.count : 0
        case .reduceScatter(_, _, let partition, let reduction):
            return Self.foreign(partition, rank) * reduction.elementSize
        case .scan(let send, _, _), .exscan(let send, _, _):
            return rank < others ? send.count : 0
        }
    }

    /// Elements of `partition` that are not this rank's own part.
    private static func foreign(_ partition: Partition, _ rank: Int) -> Int {
        guard partition.counts.indices.contains(rank) else { return 0 }
        return partition.counts.reduce(0, +) - partition.counts[rank]
    }
}
