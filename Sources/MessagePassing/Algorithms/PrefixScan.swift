// Prefix reductions by recursive doubling (Hillis, Steele 1986): in step k rank r hears from rank
// r − 2ᵏ the combination of the 2ᵏ ranks up to that one.

extension Communicator {
    /// ⌈log₂ size⌉ steps, at most n bytes sent per rank and step. Keeps rank order.
    public func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "scan")
        let call = try beginCollective(.scan, root: nil)
        result.fill(from: send)
        try withScratch(byteCount: 2 * send.count) { (scratch) throws(MPIError) in
            let outgoing = scratch.part(0, send.count)
            let incoming = scratch.part(send.count, send.count)
            try prefixSteps(call) { (source, destination, step) throws(MPIError) in
                outgoing.copyMemory(from: UnsafeRawBufferPointer(result))
                try shift(
                    outgoing, to: destination, into: incoming, from: source, step: step, call)
                if source != nil { reduction.combine(lower: incoming, into: result) }
            }
        }
    }

    /// As `scan`, keeping apart what this rank's own elements are not part of.
    public func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "exscan")
        let call = try beginCollective(.exscan, root: nil)
        try withScratch(byteCount: 3 * send.count) { (scratch) throws(MPIError) in
            let inclusive = scratch.part(0, send.count)
            let incoming = scratch.part(send.count, send.count)
            let outgoing = scratch.part(2 * send.count, send.count)
            inclusive.fill(from: send)
            var hasPrefix = false
            try prefixSteps(call) { (source, destination, step) throws(MPIError) in
                outgoing.copyMemory(from: UnsafeRawBufferPointer(inclusive))
                try shift(
                    outgoing, to: destination, into: incoming, from: source, step: step, call)
                guard source != nil else { return }
                // `inclusive` first: combining into `result` may not change `incoming`.
                reduction.combine(lower: incoming, into: inclusive)
                if hasPrefix {
                    reduction.combine(lower: incoming, into: result)
                } else {
                    result.copyMemory(from: UnsafeRawBufferPointer(incoming))
                    hasPrefix = true
                }
            }
        }
    }

    /// Calls `body` with the ranks to hear from and to tell in each step, nil beyond the edge.
    private func prefixSteps(
        _ call: CollectiveCall,
        _ body: (_ source: Int?, _ destination: Int?, _ step: Int) throws(MPIError) -> Void
    ) throws(MPIError) {
        var distance = 1
        var step = 0
        while distance < size {
            let source = rank - distance
            let destination = rank + distance
            try body(source >= 0 ? source : nil, destination < size ? destination : nil, step)
            distance *= 2
            step += 1
        }
    }

    private func shift(
        _ outgoing: UnsafeMutableRawBufferPointer, to destination: Int?,
        into incoming: UnsafeMutableRawBufferPointer, from source: Int?, step: Int,
        _ call: CollectiveCall
    ) throws(MPIError) {
        switch (destination, source) {
        case (let destination?, let source?):
            try exchangeStep(
                UnsafeRawBufferPointer(outgoing), to: destination, into: incoming, from: source,
                step: step, call)
        case (let destination?, nil):
            try sendStep(UnsafeRawBufferPointer(outgoing), to: destination, step: step, call)
        case (nil, let source?):
            try recvStep(into: incoming, from: source, step: step, call)
        case (nil, nil):
            break
        }
    }
}
