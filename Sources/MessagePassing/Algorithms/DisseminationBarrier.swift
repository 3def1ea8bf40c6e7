// Dissemination barrier (Hensgen, Finkel, Manber 1988).

extension Communicator {
    /// No rank leaves before every rank has come (MPI_Barrier, MPI 4.1 §6.3).
    ///
    /// In step k rank r tells rank r + 2ᵏ and hears from rank r − 2ᵏ, so that after the last step
    /// every rank has heard, through others, of all. ⌈log₂ size⌉ steps, one empty message each.
    public func barrier() throws(MPIError) {
        try disseminate(try beginCollective(.barrier, root: nil))
    }

    /// The messages of a barrier as part of another call.
    package func disseminate(_ call: CollectiveCall) throws(MPIError) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        let nowhere = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        var distance = 1
        var step = 0
        while distance < size {
            try exchangeStep(
                nothing, to: (rank + distance) % size, into: nowhere,
                from: (rank - distance + size) % size, step: step, call)
            distance *= 2
            step += 1
        }
    }
}
