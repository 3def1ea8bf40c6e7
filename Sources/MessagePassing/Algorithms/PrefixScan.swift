// Prefix reductions by recursive doubling (Hillis, Steele 1986): in step k rank r hears from rank
// r − 2ᵏ the combination of the 2ᵏ ranks up to that one.

extension CollectiveSteps {
    /// ⌈log₂ size⌉ steps, at most n bytes sent per rank and step. Keeps rank order.
    mutating func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        let length = send.count
        let memory = scratch(byteCount: 2 * length)
        let (outgoing, incoming) = (memory.part(0, length), memory.part(length, length))
        copy(send, to: result)
        var distance = 1
        var step = 0
        while distance < size {
            copy(result.asSource, to: outgoing)
            if try shift(outgoing, into: incoming, by: distance, step: step) {
                combine(lower: incoming.asSource, into: result, reduction)
            }
            distance *= 2
            step += 1
        }
    }

    /// As `scan`, keeping apart what this rank's own elements are not part of.
    mutating func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        let length = send.count
        let memory = scratch(byteCount: 3 * length)
        let inclusive = memory.part(0, length)
        let (outgoing, incoming) = (memory.part(length, length), memory.part(2 * length, length))
        copy(send, to: inclusive)
        var distance = 1
        var step = 0
        while distance < size {
            copy(inclusive.asSource, to: outgoing)
            if try shift(outgoing, into: incoming, by: distance, step: step) {
                combine(lower: incoming.asSource, into: inclusive, reduction)
                if step == 0 {
                    copy(incoming.asSource, to: result)
                } else {
                    combine(lower: incoming.asSource, into: result, reduction)
                }
            }
            distance *= 2
            step += 1
        }
    }

    /// Tells the rank `distance` above and hears from the one as far below, where there are such.
    /// False if there is none below.
    private mutating func shift(
        _ outgoing: UnsafeMutableRawBufferPointer, into incoming: UnsafeMutableRawBufferPointer,
        by distance: Int, step: Int
    ) throws(MPIError) -> Bool {
        let isTold = rank - distance >= 0
        if isTold { try recv(into: incoming, from: rank - distance, step: step) }
        if rank + distance < size { try send(outgoing.asSource, to: rank + distance, step: step) }
        try finishRound()
        return isTold
    }
}
