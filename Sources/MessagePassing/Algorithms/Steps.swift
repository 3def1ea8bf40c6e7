// The steps algorithms are made of: messages of one collective call, whose lengths are checked,
// because ranks that disagree about a count must be told so and not left with half a result.

extension Communicator {
    package func post(
        sendOf bytes: UnsafeRawBufferPointer, to rank: Int, step: Int, _ call: CollectiveCall
    ) throws(MPIError) -> RequestHandle {
        try isend(
            bytes, to: .rank(rank), tag: Tag(rawValue: Int32(truncatingIfNeeded: step)),
            context: .collective(call))
    }

    package func post(
        recvInto buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int,
        _ call: CollectiveCall
    ) throws(MPIError) -> RequestHandle {
        try irecv(
            into: buffer, from: .rank(rank), tag: Tag(rawValue: Int32(truncatingIfNeeded: step)),
            context: .collective(call))
    }

    /// Two ranks passed different counts to one collective: every rank hears of it.
    package func disagree(
        with rank: Int, _ call: CollectiveCall, expected: Int, sent: Int?
    ) throws(MPIError) -> Never {
        let sentText = sent.map { "\($0) bytes" } ?? "another number of bytes"
        try abort(
            MPIError(
                .mismatchedCollective, operation: call.name,
                reason: "rank \(rank)'s \(call.name) sent \(sentText) where rank "
                    + "\(self.rank)'s \(call.name) expects \(expected); all ranks must agree on "
                    + "the counts",
                peer: rank, expectedByteCount: expected, actualByteCount: sent))
    }

    /// Posted requests of one step, with what their receives must bring. When one fails, all are
    /// finished or cancelled before the error is thrown.
    package func finish(_ step: borrowing PostedStep, _ call: CollectiveCall) throws(MPIError) {
        var statuses = Array(repeating: Status.empty, count: step.requests.count)
        do throws(MPIError) {
            var statuses = statuses.mutableSpan
            try statuses.withUnsafeMutableBufferPointer { (statuses) throws(MPIError) in
                try step.requests.span.withUnsafeBufferPointer { (requests) throws(MPIError) in
                    if !requests.isEmpty { try waitAll(requests, statuses: statuses) }
                }
            }
        } catch {
            guard error.code == .truncated, let peer = error.peer else { throw error }
            try disagree(
                with: peer, call, expected: error.expectedByteCount ?? 0,
                sent: error.actualByteCount)
        }
        for (index, expected) in step.expected.enumerated() {
            guard let expected, statuses[index].byteCount != expected.byteCount else { continue }
            try disagree(
                with: expected.rank, call, expected: expected.byteCount,
                sent: statuses[index].byteCount)
        }
    }
}

/// Requests under way together; ends with `Communicator.finish`, or `abandon` after an error.
package struct PostedStep {
    fileprivate(set) var requests: [RequestHandle] = []
    /// Per request: the sender and length of a receive; nil for sends.
    fileprivate(set) var expected: [(rank: Int, byteCount: Int)?] = []

    package init(capacity: Int) {
        requests.reserveCapacity(capacity)
        expected.reserveCapacity(capacity)
    }

    package mutating func send(
        _ bytes: UnsafeRawBufferPointer, to rank: Int, step: Int = 0, _ call: CollectiveCall,
        on communicator: some Communicator
    ) throws(MPIError) {
        do throws(MPIError) {
            requests.append(
                try communicator.post(sendOf: bytes, to: rank, step: step, call))
            expected.append(nil)
        } catch {
            abandon(on: communicator)
            throw error
        }
    }

    package mutating func recv(
        into buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int = 0,
        _ call: CollectiveCall, on communicator: some Communicator
    ) throws(MPIError) {
        do throws(MPIError) {
            requests.append(
                try communicator.post(recvInto: buffer, from: rank, step: step, call))
            expected.append((rank, buffer.count))
        } catch {
            abandon(on: communicator)
            throw error
        }
    }

    /// No buffer may stay in use after an error.
    private mutating func abandon(on communicator: some Communicator) {
        for request in requests { communicator.abandon(request) }
        requests.removeAll()
    }
}

/// A part of a buffer, as a buffer. An empty part may lie anywhere, even outside.
extension UnsafeRawBufferPointer {
    @inline(__always)
    package func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        count == 0 ? .init(start: nil, count: 0) : .init(rebasing: self[offset..<offset + count])
    }
}

extension UnsafeMutableRawBufferPointer {
    @inline(__always)
    package func part(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        count == 0 ? .init(start: nil, count: 0) : .init(rebasing: self[offset..<offset + count])
    }

    /// Copies, unless both are the same memory already.
    @inline(__always)
    package func fill(from source: UnsafeRawBufferPointer) {
        if source.baseAddress != UnsafeRawPointer(baseAddress) { copyMemory(from: source) }
    }
}
