// What algorithms are written in: messages and local work, in rounds. The same text runs at once
// (`BlockingSteps`, or a transport's own) or is recorded and carried out piece by piece
// (`CollectiveSchedule`), so that a blocking collective and its nonblocking form are one algorithm.

/// The messages and local work of one rank in one collective call.
///
/// What is said between two `finishRound`s is under way together. Buffers stay valid, and what is
/// being received is not read, until the round is finished.
package protocol CollectiveSteps {
    var rank: Int { get }
    var size: Int { get }
    /// The algorithm for one rank's contribution, as the communicator's `AlgorithmChoice` has it.
    func algorithm(
        _ operation: CollectiveOperation, byteCount: Int, elementSize: Int
    ) -> CollectiveAlgorithm

    /// A message of this call; `step` tells those between one pair of ranks apart.
    mutating func send(
        _ bytes: UnsafeRawBufferPointer, to rank: Int, step: Int
    ) throws(MPIError)
    /// Receives exactly `buffer.count` bytes: ranks that disagree about a count must be told so
    /// and not left with half a result.
    mutating func recv(
        into buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int
    ) throws(MPIError)
    /// All messages so far are complete before anything that follows.
    mutating func finishRound() throws(MPIError)

    /// Copies, unless both are the same memory already.
    mutating func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer)
    /// `higher = lower ∘ higher`, element by element.
    mutating func combine(
        lower: UnsafeRawBufferPointer, into higher: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction)
    /// Memory until the end of the call, at most once per call; its content is undefined.
    mutating func scratch(byteCount: Int) -> UnsafeMutableRawBufferPointer
}

extension AlgorithmChoice {
    /// The algorithm for one rank's contribution of elements of this size.
    package func algorithm(
        _ operation: CollectiveOperation, byteCount: Int, elementSize: Int, size: Int
    ) -> CollectiveAlgorithm {
        algorithm(
            operation, byteCount: byteCount, elementCount: byteCount / max(elementSize, 1),
            size: size)
    }
}

extension CollectiveSteps {
    /// Sends to one rank and receives from another (or the same) at once.
    mutating func exchange(
        _ bytes: UnsafeRawBufferPointer, to destination: Int,
        into buffer: UnsafeMutableRawBufferPointer, from source: Int, step: Int
    ) throws(MPIError) {
        try recv(into: buffer, from: source, step: step)
        try send(bytes, to: destination, step: step)
        try finishRound()
    }

    /// The combination of all ranks' versions of something, which lie one after the other; `count`
    /// of them, from the first.
    mutating func combineInOrder(
        _ versions: UnsafeMutableRawBufferPointer, _ length: Int, count: Int,
        _ reduction: RawReduction
    ) -> UnsafeRawBufferPointer {
        for version in 1..<max(count, 1) {
            combine(
                lower: UnsafeRawBufferPointer(versions.part((version - 1) * length, length)),
                into: versions.part(version * length, length), reduction)
        }
        return UnsafeRawBufferPointer(versions.part((count - 1) * length, length))
    }
}

extension UnsafeMutableRawBufferPointer {
    /// The same bytes, to be read.
    @inline(__always)
    var asSource: UnsafeRawBufferPointer { UnsafeRawBufferPointer(self) }
}
