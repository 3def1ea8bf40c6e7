// Scatter: every part straight from the root, all sends in flight at once.

extension CollectiveSteps {
    /// Linear: 1 step, (size − 1) messages of n bytes from the root.
    mutating func scatter(
        _ whole: UnsafeRawBufferPointer, _ partition: some PartLayout,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        guard rank == root else { return try recv(into: part, from: root, step: 0) }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            try send(partition.part(of: whole, peer, elementSize), to: peer, step: 0)
        }
        copy(partition.part(of: whole, rank, elementSize), to: part)
    }
}
