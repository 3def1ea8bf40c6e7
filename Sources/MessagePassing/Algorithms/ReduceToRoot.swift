// Reduce: all to the root, by a binomial tree, or block by block for long vectors. All combine in
// rank order, so that results do not depend on timing; the tree where operations commute does so
// beginning with the root.

extension Communicator {
    public func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "reduce")
        try checkReduction(send, rank == root ? result : nil, reduction, "reduce")
        let call = try beginCollective(.reduce, root: root)
        let elementCount = send.count / max(reduction.elementSize, 1)
        if size == 1 {
            result.fill(from: send)
        } else if AlgorithmChoice.scattersReduction(
            byteCount: send.count, elementCount: elementCount, size: size)
        {
            try scatteredReduce(send, into: result, reduction, root: root, call)
        } else if AlgorithmChoice.hearsAllReduce(byteCount: send.count, size: size) {
            try hearingReduce(send, into: result, reduction, root: root, call)
        } else {
            try treeReduce(send, into: result, reduction, root: root, call)
        }
    }

    /// The root hears from all others: 1 step, (size − 1) messages of n bytes, all in flight.
    private func hearingReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        guard rank == root else {
            try sendStep(send, to: root, step: 0, call)
            return
        }
        let length = send.count
        try withScratch(byteCount: length * size) { (versions) throws(MPIError) in
            var step = PostedStep(capacity: size)
            for peer in 0..<size where peer != rank {
                try step.recv(
                    into: versions.part(peer * length, length), from: peer, call, on: self)
            }
            versions.part(rank * length, length).fill(from: send)
            try finish(step, call)
            result.copyMemory(from: combineInOrder(versions, length, reduction))
        }
    }

    /// Reduce-scatter, then the blocks go to the root: 2 steps; the root receives
    /// 2n · (size − 1)/size bytes, the others half of it.
    private func scatteredReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        let elementSize = reduction.elementSize
        let blocks = Partition(evenly: send.count / elementSize, parts: size)
        try scatterReduction(send, blocks, reduction, call) { (block) throws(MPIError) in
            guard rank == root else {
                try sendStep(block, to: root, step: 1, call)
                return
            }
            result.part(blocks.offsets[rank] * elementSize, block.count).copyMemory(from: block)
            var step = PostedStep(capacity: size)
            for peer in 0..<size where peer != rank {
                try step.recv(
                    into: result.part(
                        blocks.offsets[peer] * elementSize, blocks.counts[peer] * elementSize),
                    from: peer, step: 1, call, on: self)
            }
            try finish(step, call)
        }
    }

    /// Binomial tree towards the root: ⌈log₂ size⌉ steps, every rank but the root sends n bytes
    /// once. Operations that do not commute are combined in rank order at rank 0, which costs one
    /// message more if the root is another.
    private func treeReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        try withScratch(byteCount: 2 * send.count) { (scratch) throws(MPIError) in
            let top = reduction.isCommutative ? root : 0
            var accumulator = scratch.part(0, send.count)
            var incoming = scratch.part(send.count, send.count)
            accumulator.fill(from: send)
            try binomialReduce(&accumulator, &incoming, reduction, top: top, call)
            if top != root {
                if rank == top {
                    try sendStep(UnsafeRawBufferPointer(accumulator), to: root, step: 1, call)
                } else if rank == root {
                    try recvStep(into: accumulator, from: top, step: 1, call)
                }
            }
            if rank == root { result.copyMemory(from: UnsafeRawBufferPointer(accumulator)) }
        }
    }

    /// Leaves the combination of all ranks in rank `top`'s accumulator.
    private func binomialReduce(
        _ accumulator: inout UnsafeMutableRawBufferPointer,
        _ incoming: inout UnsafeMutableRawBufferPointer, _ reduction: RawReduction, top: Int,
        _ call: CollectiveCall
    ) throws(MPIError) {
        let position = (rank - top + size) % size
        var mask = 1
        while mask < size {
            if position & mask != 0 {
                let parent = (position - mask + top) % size
                try sendStep(UnsafeRawBufferPointer(accumulator), to: parent, step: 0, call)
                return
            }
            let child = position + mask
            if child < size {
                try recvStep(into: incoming, from: (child + top) % size, step: 0, call)
                reduction.combine(lower: accumulator, into: incoming)
                swap(&accumulator, &incoming)
            }
            mask <<= 1
        }
    }
}
