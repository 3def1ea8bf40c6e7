// Barrier: by recursive doubling, by dissemination, or everyone tells everyone.

extension CollectiveSteps {
    /// No rank leaves before every rank has come (MPI_Barrier, MPI 4.1 §6.3). Direct: 1 step, an empty
    /// message to every other rank.
    mutating func barrier() throws(MPIError) {
        switch algorithm(.barrier, byteCount: 0, elementSize: 1) {
        case .direct:
            let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            try directAllgather(nothing, EqualParts(count: 0), elementSize: 1, step: 0)
        case .recursiveDoubling: try doublingBarrier()
        default: try disseminationBarrier()
        }
    }

    /// Among a power of two of ranks: in step k rank r exchanges with rank r ⊕ 2ᵏ. As dissemination,
    /// but what one connection carries there goes both ways here, so that messages acknowledge each
    /// other and TCP need not. log₂ size steps, one empty message each.
    private mutating func doublingBarrier() throws(MPIError) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let nowhere = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        var distance = 1
        var step = 0
        while distance < size {
            let peer = rank ^ distance
            try exchange(nothing, to: peer, into: nowhere, from: peer, step: step)
            distance *= 2
            step += 1
        }
    }

    /// Hensgen, Finkel, Manber 1988: in step k rank r tells rank r + 2ᵏ and hears from rank r − 2ᵏ,
    /// so that after the last step every rank has heard, through others, of all. ⌈log₂ size⌉ steps,
    /// one empty message each.
    private mutating func disseminationBarrier() throws(MPIError) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let nowhere = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        var distance = 1
        var step = 0
        while distance < size {
            try exchange(
                nothing, to: (rank + distance) % size, into: nowhere,
                from: (rank - distance + size) % size, step: step)
            distance *= 2
            step += 1
        }
    }
}
