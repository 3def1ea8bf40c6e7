// Broadcast: from the root to all, by a binomial tree, or by scatter and allgather when bandwidth
// counts.

extension Communicator {
    public func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        try checkRoot(root, "bcast")
        let call = try beginCollective(.bcast, root: root)
        try bcast(buffer, root: root, call)
    }

    func bcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        if size == 1 { return }
        if AlgorithmChoice.scattersBcast(byteCount: buffer.count, size: size) {
            try scatterAllgatherBcast(buffer, root: root, call)
        } else if AlgorithmChoice.tellsAllBcast(size: size) {
            try linearBcast(buffer, root: root, call)
        } else {
            try binomialBcast(buffer, root: root, call)
        }
    }

    /// Linear: 1 step, (size − 1) messages of n bytes from the root, all in flight.
    private func linearBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        guard rank == root else {
            try recvStep(into: buffer, from: root, step: 0, call)
            return
        }
        var step = PostedStep(capacity: size)
        for distance in 1..<size {
            try step.send(
                UnsafeRawBufferPointer(buffer), to: (rank + distance) % size, call, on: self)
        }
        try finish(step, call)
    }

    /// Binomial tree: in step k the ranks that have the data hand it to those 2ᵏ away.
    ///
    /// ⌈log₂ size⌉ steps; (size − 1) · n bytes on the wire, ⌈log₂ size⌉ · n of them from the root.
    private func binomialBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        let position = (rank - root + size) % size
        var mask = 1
        while mask < size {
            if position & mask != 0 {
                try recvStep(
                    into: buffer, from: (rank - mask + size) % size, step: 0, call)
                break
            }
            mask <<= 1
        }
        var step = PostedStep(capacity: 32)
        mask >>= 1
        while mask > 0 {
            if position + mask < size {
                try step.send(
                    UnsafeRawBufferPointer(buffer), to: (rank + mask) % size, call, on: self)
            }
            mask >>= 1
        }
        try finish(step, call)
    }

    /// Scatter of equal blocks, then a direct allgather (van de Geijn, as in Thakur et al. 2005):
    /// no rank sends more than about 2n bytes, whatever the number of ranks.
    ///
    /// 2 steps; the root sends 2n · (size − 1)/size bytes, the others n · (size − 1)/size.
    private func scatterAllgatherBcast(
        _ buffer: UnsafeMutableRawBufferPointer, root: Int, _ call: CollectiveCall
    ) throws(MPIError) {
        let blocks = Partition(evenly: buffer.count, parts: size)
        var step = PostedStep(capacity: size)
        if rank == root {
            for peer in 0..<size where peer != root {
                let block = buffer.part(blocks.offsets[peer], blocks.counts[peer])
                try step.send(UnsafeRawBufferPointer(block), to: peer, call, on: self)
            }
        } else {
            let block = buffer.part(blocks.offsets[rank], blocks.counts[rank])
            try step.recv(into: block, from: root, call, on: self)
        }
        try finish(step, call)
        try directAllgather(buffer, blocks, elementSize: 1, step: 1, call)
    }
}
