// Allreduce: everyone hears all, recursive doubling, or reduce-scatter and allgather for long
// vectors. All combine in rank order, so that operations need not commute and results do not depend
// on timing.

extension CollectiveSteps {
    mutating func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        switch algorithm(.allreduce, byteCount: send.count, elementSize: reduction.elementSize) {
        case .local: copy(send, to: result)
        case .reduceScatterGather: try scatteredAllreduce(send, into: result, reduction)
        case .direct: try directAllreduce(send, into: result, reduction)
        default: try doublingAllreduce(send, into: result, reduction)
        }
    }

    /// Recursive doubling (Thakur, Rabenseifner, Gropp 2005): in step k groups of 2ᵏ neighbours
    /// exchange what they have combined. Where size is no power of two, the first ranks pair up
    /// before and are told the result after.
    ///
    /// ⌊log₂ size⌋ steps, two more if size is no power of two; n bytes sent per rank and step.
    private mutating func doublingAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        let power = 1 << (Int.bitWidth - 1 - size.leadingZeroBitCount)
        let extra = size - power
        let length = send.count
        let memory = scratch(byteCount: 2 * length)
        var accumulator = memory.part(0, length)
        var incoming = memory.part(length, length)
        copy(send, to: accumulator)
        let position: Int
        if rank < 2 * extra {
            if rank % 2 == 0 {
                // The odd neighbour stands for both.
                try self.send(accumulator.asSource, to: rank + 1, step: 0)
                return try recv(into: result, from: rank + 1, step: 63)
            }
            try recv(into: incoming, from: rank - 1, step: 0)
            try finishRound()
            combine(lower: incoming.asSource, into: accumulator, reduction)
            position = rank / 2
        } else {
            position = rank - extra
        }
        var mask = 1
        var step = 1
        while mask < power {
            let other = position ^ mask
            let peer = other < extra ? other * 2 + 1 : other + extra
            try exchange(accumulator.asSource, to: peer, into: incoming, from: peer, step: step)
            if other < position {
                combine(lower: incoming.asSource, into: accumulator, reduction)
            } else {
                combine(lower: accumulator.asSource, into: incoming, reduction)
                swap(&accumulator, &incoming)
            }
            mask <<= 1
            step += 1
        }
        copy(accumulator.asSource, to: result)
        if rank < 2 * extra { try self.send(result.asSource, to: rank - 1, step: 63) }
    }

    /// Every rank hears from all others and combines in rank order.
    ///
    /// 1 step; (size − 1) · n bytes sent per rank.
    private mutating func directAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        let length = send.count
        let versions = scratch(byteCount: length * size)
        copy(send, to: versions.part(rank * length, length))
        try directAllgather(
            versions, EqualParts(count: length), elementSize: 1, step: 0)
        copy(combineInOrder(versions, length, count: size, reduction), to: result)
    }

    /// Reduce-scatter, then a direct allgather of the blocks (Rabenseifner 2004, with both halves
    /// direct).
    ///
    /// 2 steps; 2n · (size − 1)/size bytes sent per rank, the least possible.
    private mutating func scatteredAllreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        let elementSize = reduction.elementSize
        let blocks = EvenBlocks(send.count / elementSize, parts: size)
        let block = try scatteredReduction(send, blocks, reduction)
        copy(block, to: blocks.part(of: result, rank, elementSize))
        try directAllgather(result, blocks, elementSize: elementSize, step: 1)
    }
}
