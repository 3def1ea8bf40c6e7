// Which collectives a store makes as a whole. Arguments are checked first, as everywhere; then the
// ranks meet over the links; then the store's own algorithm runs.

import MessagePassing

extension MultichannelCommunicator {
    public func run(_ collective: Collective) throws(MPIError) {
        guard collective.operation.isRoutedWhole else { return try runByDefault(collective) }
        let byteCount = sharedByteCount(of: collective)
        guard let store = store(for: collective.operation, byteCount) else {
            return try direct.run(collective)
        }
        try checkArguments(of: collective)
        // Nobody goes on to the store before all have come to this call.
        let call = try beginCollective(collective.operation, root: collective.root)
        try direct.run(.barrier, as: call)
        try store.run(collective)
    }

    /// Nonblocking collectives go over the links: who has started one may be anywhere when the
    /// others come to it, and a store is not looked at in passing.
    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try direct.start(collective)
    }

    public func algorithm(of collective: Collective) -> CollectiveAlgorithm {
        guard collective.operation.isRoutedWhole else {
            return collective.defaultAlgorithm(size: size, algorithmChoice)
        }
        let channel = router.route(
            .collective(collective.operation), byteCount: sharedByteCount(of: collective),
            link: slowestLink)
        return channel.isStorage ? .native : direct.algorithm(of: collective)
    }

    /// The size that all ranks pass: of the buffer, the vector, or a part (of allgatherv the mean
    /// one, as the partition is known to all).
    private func sharedByteCount(of collective: Collective) -> Int {
        switch collective {
        case .bcast(let buffer, _): buffer.count
        case .allgather(let part, _): part.count
        case .allgatherv(_, _, let partition, let elementSize):
            max(partition.counts.reduce(0, +) * elementSize, 0) / size
        case .allreduce(let send, _, _), .scan(let send, _, _), .exscan(let send, _, _):
            send.count
        default: 0
        }
    }
}
