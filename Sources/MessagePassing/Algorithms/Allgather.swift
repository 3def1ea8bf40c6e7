// Allgather: everything at once, or Bruck's algorithm for short parts of many ranks.

extension Communicator {
    public func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        try checkWhole(whole.count, ofParts: part.count, "allgather")
        let call = try beginCollective(.allgather, root: nil)
        try allgather(part, into: whole, call)
    }

    func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        _ call: CollectiveCall
    ) throws(MPIError) {
        if AlgorithmChoice.doublesAllgather(byteCount: part.count, size: size) {
            try bruckAllgather(part, into: whole, call)
        } else {
            whole.part(part.count * rank, part.count).fill(from: part)
            try directAllgather(
                whole, Partition(count: part.count, parts: size), elementSize: 1, step: 0, call)
        }
    }

    public func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        try checkPartition(
            partition, byteCount: whole.count, elementSize: elementSize, "allgatherv")
        try checkPart(
            part.count, count: partition.counts[rank], elementSize: elementSize, "allgatherv")
        let call = try beginCollective(.allgatherv, root: nil)
        whole.part(partition.offsets[rank] * elementSize, part.count).fill(from: part)
        try directAllgather(whole, partition, elementSize: elementSize, step: 0, call)
    }

    /// Bruck et al. 1997: in step k rank r sends all it has, up to 2ᵏ parts, to rank r − 2ᵏ.
    ///
    /// ⌈log₂ size⌉ steps; (size − 1) · n bytes sent per rank, and one local copy of the result.
    private func bruckAllgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        _ call: CollectiveCall
    ) throws(MPIError) {
        let length = part.count
        try withScratch(byteCount: whole.count) { (scratch) throws(MPIError) in
            scratch.part(0, length).fill(from: part)
            var have = 1
            var step = 0
            while have < size {
                let count = min(have, size - have)
                try exchangeStep(
                    UnsafeRawBufferPointer(scratch.part(0, count * length)),
                    to: (rank - have + size) % size,
                    into: scratch.part(have * length, count * length),
                    from: (rank + have) % size, step: step, call)
                have += count
                step += 1
            }
            // Part i of the scratch is that of rank + i.
            let wrapped = rank * length
            whole.part(wrapped, whole.count - wrapped).fill(
                from: UnsafeRawBufferPointer(scratch.part(0, whole.count - wrapped)))
            whole.part(0, wrapped).fill(
                from: UnsafeRawBufferPointer(scratch.part(whole.count - wrapped, wrapped)))
        }
    }

    /// Direct: every rank sends its part to all others, all in flight. This rank's own part is in
    /// place already.
    ///
    /// 1 step; every rank sends (size − 1) times its part and receives all others.
    func directAllgather(
        _ whole: UnsafeMutableRawBufferPointer, _ partition: Partition, elementSize: Int,
        step number: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        var step = PostedStep(capacity: 2 * size)
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            try step.recv(
                into: whole.part(
                    partition.offsets[peer] * elementSize, partition.counts[peer] * elementSize),
                from: peer, step: number, call, on: self)
        }
        let own = UnsafeRawBufferPointer(
            whole.part(
                partition.offsets[rank] * elementSize, partition.counts[rank] * elementSize))
        for distance in 1..<max(size, 1) {
            try step.send(own, to: (rank + distance) % size, step: number, call, on: self)
        }
        try finish(step, call)
    }
}
