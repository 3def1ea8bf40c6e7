// Reduce: a binomial tree.

extension Communicator {
    /// Binomial tree towards the root: ⌈log₂ size⌉ steps, every rank but the root sends n bytes
    /// once. Operations that do not commute are combined in rank order at rank 0, which costs one
    /// message more if the root is another.
    public func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "reduce")
        try checkReduction(send, rank == root ? result : nil, reduction, "reduce")
        let call = try beginCollective(.reduce, root: root)
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

extension RawReduction {
    /// `higher = lower ∘ higher`, element by element.
    package func combine(
        lower: UnsafeMutableRawBufferPointer, into higher: UnsafeMutableRawBufferPointer
    ) {
        guard let lowerBase = lower.baseAddress, let higherBase = higher.baseAddress,
            elementSize > 0
        else { return }
        combine(UnsafeRawPointer(lowerBase), higherBase, higher.count / elementSize)
    }
}
