// Gather: every part straight to the root, whose receives are all posted at once.

extension Communicator {
    /// Linear: 1 step, (size − 1) messages of n bytes, all received by the root into place. A
    /// binomial tree would take ⌈log₂ size⌉ steps and copy and send parts up to log₂ size times;
    /// with all receives in flight it does not win up to the sizes of one job here.
    public func gather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "gather")
        if rank == root { try checkWhole(whole.count, ofParts: part.count, "gather") }
        let call = try beginCollective(.gather, root: root)
        try linearGather(
            part, into: whole, Partition(count: part.count, parts: size), elementSize: 1,
            root: root, call)
    }

    /// Linear, as `gather`.
    public func gatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "gatherv")
        if rank == root {
            try checkPartition(
                partition, byteCount: whole.count, elementSize: elementSize, "gatherv")
            try checkPart(
                part.count, count: partition.counts[root], elementSize: elementSize, "gatherv")
        }
        let call = try beginCollective(.gatherv, root: root)
        try linearGather(
            part, into: whole, partition, elementSize: elementSize, root: root, call)
    }

    private func linearGather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        _ partition: Partition, elementSize: Int, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        guard rank == root else {
            try sendStep(part, to: root, step: 0, call)
            return
        }
        var step = PostedStep(capacity: size)
        for peer in 0..<size where peer != rank {
            try step.recv(
                into: whole.part(
                    partition.offsets[peer] * elementSize, partition.counts[peer] * elementSize),
                from: peer, call, on: self)
        }
        whole.part(partition.offsets[rank] * elementSize, part.count).fill(from: part)
        try finish(step, call)
    }
}
