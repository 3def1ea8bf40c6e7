// Scatter: every part straight from the root, all sends in flight at once.

extension Communicator {
    /// Linear: 1 step, (size − 1) messages of n bytes from the root.
    public func scatter(
        _ whole: UnsafeRawBufferPointer, into part: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "scatter")
        if rank == root { try checkWhole(whole.count, ofParts: part.count, "scatter") }
        let call = try beginCollective(.scatter, root: root)
        try linearScatter(
            whole, Partition(count: part.count, parts: size), into: part, elementSize: 1,
            root: root, call)
    }

    /// Linear, as `scatter`.
    public func scatterv(
        _ whole: UnsafeRawBufferPointer, partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "scatterv")
        if rank == root {
            try checkPartition(
                partition, byteCount: whole.count, elementSize: elementSize, "scatterv")
            try checkPart(
                part.count, count: partition.counts[root], elementSize: elementSize, "scatterv")
        }
        let call = try beginCollective(.scatterv, root: root)
        try linearScatter(
            whole, partition, into: part, elementSize: elementSize, root: root, call)
    }

    private func linearScatter(
        _ whole: UnsafeRawBufferPointer, _ partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int,
        _ call: CollectiveCall
    ) throws(MPIError) {
        guard rank == root else {
            try recvStep(into: part, from: root, step: 0, call)
            return
        }
        var step = PostedStep(capacity: size)
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            try step.send(
                whole.part(
                    partition.offsets[peer] * elementSize, partition.counts[peer] * elementSize),
                to: peer, call, on: self)
        }
        part.fill(
            from: whole.part(
                partition.offsets[rank] * elementSize, partition.counts[rank] * elementSize))
        try finish(step, call)
    }
}
