// Steps that are carried out as they are said, by requests of any transport: the blocking form of a
// collective. Allocates nothing for few ranks.

/// Runs a collective in the calling thread.
struct BlockingSteps: CollectiveSteps {
    /// What a posted request must bring; a send has no rank.
    private struct Expectation {
        var rank: Int32
        var byteCount: Int
    }

    let communicator: any Communicator
    let call: CollectiveCall
    let rank: Int
    let size: Int
    private let requests: UnsafeMutableBufferPointer<RequestHandle>
    private let expectations: UnsafeMutableBufferPointer<Expectation>
    private let statuses: UnsafeMutableBufferPointer<Status>
    private var count = 0
    private var block: UnsafeMutableRawBufferPointer?

    /// Calls `body` with the steps of one call.
    static func run(
        on communicator: any Communicator, _ call: CollectiveCall,
        _ body: (inout BlockingSteps) throws(MPIError) -> Void
    ) throws(MPIError) {
        // No round has more than one message to and one from every other rank.
        let capacity = max(2 * (communicator.size - 1), 1)
        let each =
            MemoryLayout<RequestHandle>.stride + MemoryLayout<Expectation>.stride
            + MemoryLayout<Status>.stride
        try withUnsafeTemporaryAllocation(byteCount: capacity * each, alignment: 16) {
            (memory) throws(MPIError) in
            var steps = BlockingSteps(on: communicator, call, memory, capacity)
            defer { if let block = steps.block { ScratchPool.shared.give(block) } }
            try body(&steps)
            try steps.finishRound()
        }
    }

    private init(
        on communicator: any Communicator, _ call: CollectiveCall,
        _ memory: UnsafeMutableRawBufferPointer, _ capacity: Int
    ) {
        self.communicator = communicator
        self.call = call
        rank = communicator.rank
        size = communicator.size
        let handleBytes = capacity * MemoryLayout<RequestHandle>.stride
        let expectationBytes = capacity * MemoryLayout<Expectation>.stride
        requests = memory.part(0, handleBytes).bindMemory(to: RequestHandle.self)
        expectations = memory.part(handleBytes, expectationBytes)
            .bindMemory(to: Expectation.self)
        statuses = memory.part(
            handleBytes + expectationBytes, capacity * MemoryLayout<Status>.stride
        ).bindMemory(to: Status.self)
    }

    func algorithm(
        _ operation: CollectiveOperation, byteCount: Int, elementSize: Int
    ) -> CollectiveAlgorithm {
        communicator.algorithmChoice.algorithm(
            operation, byteCount: byteCount, elementSize: elementSize, size: size)
    }

    mutating func send(
        _ bytes: UnsafeRawBufferPointer, to rank: Int, step: Int
    ) throws(MPIError) {
        do throws(MPIError) {
            note(
                try communicator.post(sendOf: bytes, to: rank, step: step, call),
                Expectation(rank: -1, byteCount: 0))
        } catch {
            abandon()
            throw error
        }
    }

    mutating func recv(
        into buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int
    ) throws(MPIError) {
        do throws(MPIError) {
            note(
                try communicator.post(recvInto: buffer, from: rank, step: step, call),
                Expectation(rank: Int32(rank), byteCount: buffer.count))
        } catch {
            abandon()
            throw error
        }
    }

    private mutating func note(_ request: RequestHandle, _ expectation: Expectation) {
        // A send that was done at once.
        if request == .completed && expectation.rank < 0 { return }
        requests[count] = request
        expectations[count] = expectation
        count += 1
    }

    /// No buffer may stay in use after an error.
    private mutating func abandon() {
        for request in requests[..<count] { communicator.abandon(request) }
        count = 0
    }

    mutating func finishRound() throws(MPIError) {
        if count == 0 { return }
        let posted = count
        count = 0
        do throws(MPIError) {
            try communicator.waitAll(
                UnsafeBufferPointer(rebasing: requests[..<posted]),
                statuses: UnsafeMutableBufferPointer(rebasing: statuses[..<posted]))
        } catch {
            guard error.code == .truncated, let peer = error.peer else { throw error }
            try communicator.disagree(
                with: peer, call, expected: error.expectedByteCount ?? 0,
                sent: error.actualByteCount)
        }
        for index in 0..<posted {
            let expected = expectations[index]
            guard expected.rank >= 0, statuses[index].byteCount != expected.byteCount else {
                continue
            }
            try communicator.disagree(
                with: Int(expected.rank), call, expected: expected.byteCount,
                sent: statuses[index].byteCount)
        }
    }

    mutating func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) {
        target.fill(from: source)
    }

    mutating func combine(
        lower: UnsafeRawBufferPointer, into higher: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) {
        reduction.combine(lower: lower, into: higher)
    }

    mutating func scratch(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        precondition(block == nil, "one scratch block per call")
        let block = ScratchPool.shared.take(byteCount)
        self.block = block
        return block.part(0, byteCount)
    }
}
