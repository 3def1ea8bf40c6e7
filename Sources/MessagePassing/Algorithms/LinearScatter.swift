// Scatter: every part straight from the root, all sends in flight at once.

extension CollectiveSteps {
    /// Linear: 1 step, (size − 1) messages of n bytes from the root.
    mutating func scatter(
        _ whole: UnsafeRawBufferPointer, _ partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        guard rank == root else { return try recv(into: part, from: root, step: 0) }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            try send(
                whole.part(
                    partition.offsets[peer] * elementSize, partition.counts[peer] * elementSize),
                to: peer, step: 0)
        }
        copy(
            whole.part(
                partition.offsets[rank] * elementSize, partition.counts[rank] * elementSize),
            to: part)
    }
}
