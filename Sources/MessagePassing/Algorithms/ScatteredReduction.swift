// What reductions of long vectors share: every rank combines one block of all ranks' vectors.

extension Communicator {
    /// Direct reduce-scatter: every rank gets all ranks' versions of its block at once and combines
    /// them in rank order. `body` gets this rank's block, and step numbers from 1 on are free.
    ///
    /// 1 step; n · (size − 1)/size bytes sent per rank.
    func scatterReduction(
        _ send: UnsafeRawBufferPointer, _ blocks: Partition, _ reduction: RawReduction,
        _ call: CollectiveCall, _ body: (UnsafeRawBufferPointer) throws(MPIError) -> Void
    ) throws(MPIError) {
        let elementSize = reduction.elementSize
        let mine = blocks.counts[rank] * elementSize
        try withScratch(byteCount: mine * size) { (versions) throws(MPIError) in
            var step = PostedStep(capacity: 2 * size)
            for distance in 1..<size {
                let peer = (rank - distance + size) % size
                try step.recv(into: versions.part(peer * mine, mine), from: peer, call, on: self)
            }
            for distance in 1..<size {
                let peer = (rank + distance) % size
                try step.send(
                    send.part(
                        blocks.offsets[peer] * elementSize, blocks.counts[peer] * elementSize),
                    to: peer, call, on: self)
            }
            versions.part(rank * mine, mine).fill(
                from: send.part(blocks.offsets[rank] * elementSize, mine))
            try finish(step, call)
            try body(combineInOrder(versions, mine, reduction))
        }
    }

    /// The combination of all ranks' versions of something, which lie one after the other.
    func combineInOrder(
        _ versions: UnsafeMutableRawBufferPointer, _ length: Int, _ reduction: RawReduction
    ) -> UnsafeRawBufferPointer {
        for peer in 1..<max(size, 1) {
            reduction.combine(
                lower: versions.part((peer - 1) * length, length),
                into: versions.part(peer * length, length))
        }
        return UnsafeRawBufferPointer(versions.part((size - 1) * length, length))
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
