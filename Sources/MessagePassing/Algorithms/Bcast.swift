// Broadcast: from the root to all at once, by a binomial tree, or by scatter and allgather when
// bandwidth counts.

extension CollectiveSteps {
    mutating func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        switch algorithm(.bcast, byteCount: buffer.count, elementSize: 1) {
        case .local: return
        case .scatterAllgather: try scatterAllgatherBcast(buffer, root: root)
        case .direct: try directBcast(buffer, root: root)
        default: try binomialBcast(buffer, root: root)
        }
    }

    /// Direct: 1 step, (size − 1) messages of n bytes from the root, all in flight.
    private mutating func directBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        guard rank == root else { return try recv(into: buffer, from: root, step: 0) }
        for distance in 1..<size {
            try send(buffer.asSource, to: (rank + distance) % size, step: 0)
        }
    }

    /// Binomial tree: in step k the ranks that have the data hand it to those 2ᵏ away.
    ///
    /// ⌈log₂ size⌉ steps; (size − 1) · n bytes on the wire, ⌈log₂ size⌉ · n of them from the root.
    private mutating func binomialBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        let position = (rank - root + size) % size
        var mask = 1
        while mask < size {
            if position & mask != 0 {
                try recv(into: buffer, from: (rank - mask + size) % size, step: 0)
                try finishRound()
                break
            }
            mask <<= 1
        }
        mask >>= 1
        while mask > 0 {
            if position + mask < size {
                try send(buffer.asSource, to: (rank + mask) % size, step: 0)
            }
            mask >>= 1
        }
    }

    /// Scatter of equal blocks, then a direct allgather (van de Geijn, as in Thakur et al. 2005), of
    /// which the root, who has them all, only sends: no rank sends more than about 2n bytes, whatever
    /// the number of ranks.
    ///
    /// 2 steps; the root sends 2n · (size − 1)/size bytes, the others n · (size − 2)/size.
    private mutating func scatterAllgatherBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        let blocks = EvenBlocks(buffer.count, parts: size)
        if rank == root {
            for peer in 0..<size where peer != root {
                try send(blocks.part(of: buffer, peer, 1).asSource, to: peer, step: 0)
            }
        } else {
            try recv(into: blocks.part(of: buffer, rank, 1), from: root, step: 0)
        }
        try finishRound()
        for distance in 1..<size where rank != root {
            let peer = (rank - distance + size) % size
            try recv(into: blocks.part(of: buffer, peer, 1), from: peer, step: 1)
        }
        let own = blocks.part(of: buffer, rank, 1).asSource
        for distance in 1..<size where (rank + distance) % size != root {
            try send(own, to: (rank + distance) % size, step: 1)
        }
    }
}
