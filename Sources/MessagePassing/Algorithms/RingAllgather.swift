// Allgather: Bruck's algorithm for short parts, a ring for long or unequal ones.

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
        if AlgorithmChoice.ringsAllgather(byteCount: part.count, size: size) {
            whole.part(part.count * rank, part.count).fill(from: part)
            try ringAllgather(
                whole, Partition(count: part.count, parts: size), elementSize: 1, firstStep: 0,
                call)
        } else {
            try bruckAllgather(part, into: whole, call)
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
        try ringAllgather(whole, partition, elementSize: elementSize, firstStep: 0, call)
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

    /// Ring: in each step every rank passes on the part it got in the step before. This rank's
    /// own part is in place already.
    ///
    /// size − 1 steps; every rank sends all bytes but one part, to one neighbour only.
    func ringAllgather(
        _ whole: UnsafeMutableRawBufferPointer, _ partition: Partition, elementSize: Int,
        firstStep: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        let next = (rank + 1) % size
        let previous = (rank - 1 + size) % size
        for step in 0..<max(size - 1, 0) {
            let sent = (rank - step + size) % size
            let received = (previous - step + size) % size
            try exchangeStep(
                UnsafeRawBufferPointer(
                    whole.part(
                        partition.offsets[sent] * elementSize,
                        partition.counts[sent] * elementSize)),
                to: next,
                into: whole.part(
                    partition.offsets[received] * elementSize,
                    partition.counts[received] * elementSize),
                from: previous, step: firstStep + step, call)
        }
    }
}
