// Reduce-scatter: every rank combines one block of all ranks' vectors. By itself, and as the first
// half of reductions of long vectors.

extension CollectiveSteps {
    mutating func reduceScatter(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ blocks: some PartLayout, _ reduction: RawReduction
    ) throws(MPIError) {
        copy(try scatteredReduction(send, blocks, reduction), to: result)
    }

    /// Direct reduce-scatter: every rank gets all ranks' versions of its block at once and combines
    /// them in rank order. Takes the scratch memory; step numbers from 1 on are free.
    ///
    /// 1 step; n · (size − 1)/size bytes sent per rank.
    /// - Returns: this rank's block, in the scratch memory.
    mutating func scatteredReduction(
        _ send: UnsafeRawBufferPointer, _ blocks: some PartLayout, _ reduction: RawReduction
    ) throws(MPIError) -> UnsafeRawBufferPointer {
        let elementSize = reduction.elementSize
        let mine = blocks.count(of: rank) * elementSize
        let versions = scratch(byteCount: mine * size)
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            try recv(into: versions.part(peer * mine, mine), from: peer, step: 0)
        }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            try self.send(blocks.part(of: send, peer, elementSize), to: peer, step: 0)
        }
        copy(blocks.part(of: send, rank, elementSize), to: versions.part(rank * mine, mine))
        try finishRound()
        return combineInOrder(versions, mine, count: size, reduction)
    }
}
