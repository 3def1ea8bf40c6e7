// Allgather: everything at once, or Bruck's algorithm for short parts of many ranks.

extension CollectiveSteps {
    mutating func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        if algorithm(.allgather, byteCount: part.count, elementSize: 1) == .bruck {
            try bruckAllgather(part, into: whole)
        } else {
            try allgatherv(part, into: whole, EqualParts(count: part.count), elementSize: 1)
        }
    }

    mutating func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        _ partition: some PartLayout, elementSize: Int
    ) throws(MPIError) {
        copy(part, to: partition.part(of: whole, rank, elementSize))
        try directAllgather(whole, partition, elementSize: elementSize, step: 0)
    }

    /// Bruck et al. 1997: in step k rank r sends all it has, up to 2ᵏ parts, to rank r − 2ᵏ.
    ///
    /// ⌈log₂ size⌉ steps; (size − 1) · n bytes sent per rank, and one local copy of the result.
    private mutating func bruckAllgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        let length = part.count
        let gathered = scratch(byteCount: whole.count)
        copy(part, to: gathered.part(0, length))
        var have = 1
        var step = 0
        while have < size {
            let count = min(have, size - have)
            try exchange(
                gathered.part(0, count * length).asSource, to: (rank - have + size) % size,
                into: gathered.part(have * length, count * length), from: (rank + have) % size,
                step: step)
            have += count
            step += 1
        }
        // Part i of what is gathered is that of rank + i.
        let wrapped = rank * length
        let straight = whole.count - wrapped
        copy(gathered.part(0, straight).asSource, to: whole.part(wrapped, straight))
        copy(gathered.part(straight, wrapped).asSource, to: whole.part(0, wrapped))
    }

    /// Direct: every rank sends its part to all others, all in flight. This rank's own part is in
    /// place already.
    ///
    /// 1 step; every rank sends (size − 1) times its part and receives all others.
    mutating func directAllgather(
        _ whole: UnsafeMutableRawBufferPointer, _ partition: some PartLayout, elementSize: Int,
        step: Int
    ) throws(MPIError) {
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            try recv(into: partition.part(of: whole, peer, elementSize), from: peer, step: step)
        }
        let own = partition.part(of: whole, rank, elementSize)
        for distance in 1..<max(size, 1) {
            try send(own.asSource, to: (rank + distance) % size, step: step)
        }
        try finishRound()
    }
}
