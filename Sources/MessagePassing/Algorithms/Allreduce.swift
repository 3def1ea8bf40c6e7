// Allreduce: everyone hears all, recursive doubling, or reduce-scatter and allgather for long vectors.
// All combine in rank order, so that operations need not commute and results do not depend on
// timing.

extension Communicator {
    public func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "allreduce")
        let call = try beginCollective(.allreduce, root: nil)
        if size == 1 {
            result.fill(from: send)
            return
        }
        let elementCount = send.count / max(reduction.elementSize, 1)
        if AlgorithmChoice.scattersReduction(
            byteCount: send.count, elementCount: elementCount, size: size)
        {
            try scatteredAllreduce(send, into: result, reduction, call)
        } else if AlgorithmChoice.hearsAllAllreduce(byteCount: send.count, size: size) {
            try hearingAllreduce(send, into: result, reduction, call)
        } else {
            try doublingAllreduce(send, into: result, reduction, call)
        }
    }

    /// Recursive doubling (Thakur, Rabenseifner, Gropp 2005): in step k groups of 2ᵏ neighbours
    /// exchange what they have combined. Where size is no power of two, the first ranks pair up
    /// before and are told the result after.
    ///
    /// ⌈log₂ size⌉ steps, two more if size is no power of two; n bytes sent per rank and step.
    private func doublingAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, _ call: CollectiveCall
    ) throws(MPIError) {
        let power = 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount)
        let extra = size - power
        try withScratch(byteCount: 2 * send.count) { (scratch) throws(MPIError) in
            var accumulator = scratch.part(0, send.count)
            var incoming = scratch.part(send.count, send.count)
            accumulator.fill(from: send)
            let position: Int
            if rank < 2 * extra {
                if rank % 2 == 0 {
                    // The odd neighbour stands for both.
                    try sendStep(UnsafeRawBufferPointer(accumulator), to: rank + 1, step: 0, call)
                    try recvStep(into: result, from: rank + 1, step: 63, call)
                    return
                }
                try recvStep(into: incoming, from: rank - 1, step: 0, call)
                reduction.combine(lower: incoming, into: accumulator)
                position = rank / 2
            } else {
                position = rank - extra
            }
            var mask = 1
            var step = 1
            while mask < power {
                let other = position ^ mask
                let peer = other < extra ? other * 2 + 1 : other + extra
                try exchangeStep(
                    UnsafeRawBufferPointer(accumulator), to: peer, into: incoming, from: peer,
                    step: step, call)
                if other < position {
                    reduction.combine(lower: incoming, into: accumulator)
                } else {
                    reduction.combine(lower: accumulator, into: incoming)
                    swap(&accumulator, &incoming)
                }
                mask <<= 1
                step += 1
            }
            result.copyMemory(from: UnsafeRawBufferPointer(accumulator))
            if rank < 2 * extra {
                try sendStep(UnsafeRawBufferPointer(result), to: rank - 1, step: 63, call)
            }
        }
    }

    /// Every rank hears from all others and combines in rank order.
    ///
    /// 1 step; (size − 1) · n bytes sent per rank.
    private func hearingAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, _ call: CollectiveCall
    ) throws(MPIError) {
        let length = send.count
        try withScratch(byteCount: length * size) { (versions) throws(MPIError) in
            versions.part(rank * length, length).fill(from: send)
            try directAllgather(
                versions, Partition(count: length, parts: size), elementSize: 1, step: 0, call)
            result.copyMemory(from: combineInOrder(versions, length, reduction))
        }
    }

    /// Reduce-scatter, then a direct allgather of the blocks (Rabenseifner 2004, with both halves
    /// direct).
    ///
    /// 2 steps; 2n · (size − 1)/size bytes sent per rank, the least possible.
    private func scatteredAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, _ call: CollectiveCall
    ) throws(MPIError) {
        let elementSize = reduction.elementSize
        let blocks = Partition(evenly: send.count / elementSize, parts: size)
        try scatterReduction(send, blocks, reduction, call) { (block) in
            result.part(blocks.offsets[rank] * elementSize, block.count).copyMemory(from: block)
        }
        try directAllgather(result, blocks, elementSize: elementSize, step: 1, call)
    }
}
