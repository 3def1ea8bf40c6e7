// Reduce between two ranks: the vector in segments, so that one is combined while the next one is on
// its way, and while the cache still holds it.

extension CollectiveSteps {
    /// The rank that is not the root sends its vector in segments; the root combines each when it
    /// is there.
    ///
    /// ⌈n / 128 KiB⌉ steps, n bytes on the wire; the root needs scratch memory of one segment only
    /// where it cannot receive into the result.
    mutating func pairReduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        let width = max(reduction.elementSize, 1)
        let length = max(segmentByteCount / width, 1) * width
        let isInPlace = send.baseAddress == UnsafeRawPointer(result.baseAddress)
        // The operand of the higher rank is the one that is overwritten.
        let overwritesTheirs = reduction.isCommutative ? !isInPlace : root == 0
        let incoming =
            rank == root && (isInPlace || !overwritesTheirs)
            ? scratch(byteCount: min(length, send.count)) : nil
        var offset = 0
        repeat {
            let count = min(length, send.count - offset)
            let own = send.part(offset, count)
            if rank != root {
                try self.send(own, to: root, step: 0)
                try finishRound()
            } else {
                let target = result.part(offset, count)
                let theirs = incoming?.part(0, count) ?? target
                try recv(into: theirs, from: 1 - root, step: 0)
                try finishRound()
                if overwritesTheirs {
                    combine(lower: own, into: theirs, reduction)
                    copy(theirs.asSource, to: target)
                } else {
                    copy(own, to: target)
                    combine(lower: theirs.asSource, into: target, reduction)
                }
            }
            offset += count
        } while offset < send.count
    }
}

/// Stays in the cache between arrival and use, and is sent without asking the receiver.
private let segmentByteCount = 128 << 10
