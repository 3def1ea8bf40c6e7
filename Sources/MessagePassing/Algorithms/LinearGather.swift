// Gather: every part straight to the root, whose receives are all posted at once.

extension CollectiveSteps {
    /// Linear: 1 step, (size − 1) messages of n bytes, all received by the root into place. A
    /// binomial tree would take ⌈log₂ size⌉ steps and copy and send parts up to log₂ size times;
    /// with all receives in flight it does not win up to the sizes of one job here.
    mutating func gather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        _ partition: some PartLayout, elementSize: Int, root: Int
    ) throws(MPIError) {
        guard rank == root else { return try send(part, to: root, step: 0) }
        for peer in 0..<size where peer != rank {
            try recv(into: partition.part(of: whole, peer, elementSize), from: peer, step: 0)
        }
        copy(part, to: partition.part(of: whole, rank, elementSize))
    }
}
