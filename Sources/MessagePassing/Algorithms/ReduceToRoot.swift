// Reduce: all to the root, by a binomial tree, or block by block for long vectors. All combine in
// rank order, so that results do not depend on timing; the tree where operations commute does so
// beginning with the root.

extension CollectiveSteps {
    mutating func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        switch algorithm(.reduce, byteCount: send.count, elementSize: reduction.elementSize) {
        case .local: copy(send, to: result)
        case .reduceScatterGather:
            try scatteredReduce(send, into: result, reduction, root: root)
        case .direct where size == 2:
            try pairReduce(send, into: result, reduction, root: root)
        case .direct: try directReduce(send, into: result, reduction, root: root)
        default: try treeReduce(send, into: result, reduction, root: root)
        }
    }

    /// The root hears from all others: 1 step, (size − 1) messages of n bytes, all in flight.
    private mutating func directReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        guard rank == root else { return try self.send(send, to: root, step: 0) }
        let length = send.count
        let versions = scratch(byteCount: length * size)
        for peer in 0..<size where peer != rank {
            try recv(into: versions.part(peer * length, length), from: peer, step: 0)
        }
        copy(send, to: versions.part(rank * length, length))
        try finishRound()
        copy(combineInOrder(versions, length, count: size, reduction), to: result)
    }

    /// Reduce-scatter, then the blocks go to the root: 2 steps; the root receives
    /// 2n · (size − 1)/size bytes, the others half of it.
    private mutating func scatteredReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        let elementSize = reduction.elementSize
        let blocks = EvenBlocks(send.count / elementSize, parts: size)
        let block = try scatteredReduction(send, blocks, reduction)
        guard rank == root else { return try self.send(block, to: root, step: 1) }
        copy(block, to: blocks.part(of: result, rank, elementSize))
        for peer in 0..<size where peer != rank {
            try recv(into: blocks.part(of: result, peer, elementSize), from: peer, step: 1)
        }
    }

    /// Binomial tree towards the root: ⌈log₂ size⌉ steps, every rank but the root sends n bytes
    /// once. Operations that do not commute are combined in rank order at rank 0, which costs one
    /// message more if the root is another.
    private mutating func treeReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        let length = send.count
        let memory = scratch(byteCount: 2 * length)
        let top = reduction.isCommutative ? root : 0
        copy(send, to: memory.part(0, length))
        let accumulator = try binomialReduce(
            memory.part(0, length), memory.part(length, length), reduction, top: top)
        if top != root {
            if rank == top {
                try self.send(accumulator.asSource, to: root, step: 1)
            } else if rank == root {
                return try recv(into: result, from: top, step: 1)
            }
        }
        if rank == root { copy(accumulator.asSource, to: result) }
    }

    /// Leaves the combination of all ranks in what it returns on rank `top`: one of two buffers,
    /// of which the first holds this rank's vector.
    private mutating func binomialReduce(
        _ own: UnsafeMutableRawBufferPointer, _ other: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, top: Int
    ) throws(MPIError) -> UnsafeMutableRawBufferPointer {
        var (accumulator, incoming) = (own, other)
        let position = (rank - top + size) % size
        var mask = 1
        while mask < size {
            if position & mask != 0 {
                let parent = (position - mask + top) % size
                try send(accumulator.asSource, to: parent, step: 0)
                try finishRound()
                return accumulator
            }
            let child = position + mask
            if child < size {
                try recv(into: incoming, from: (child + top) % size, step: 0)
                try finishRound()
                combine(lower: accumulator.asSource, into: incoming, reduction)
                swap(&accumulator, &incoming)
            }
            mask <<= 1
        }
        return accumulator
    }
}
