// The steps of a blocking collective over links: the algorithms say them, the engine carries them
// out, under one hold of its lock, without the requests, checks and waits of single messages.

import MessagePassing

/// One rank's part of one blocking collective. The lock is held, but for waits and long work.
struct LinkSteps: CollectiveSteps {
    /// Two ranks passed different counts.
    private struct Disagreement {
        let peer: Int
        let expected: Int
        let sent: Int
    }

    /// Work on so many bytes keeps other threads from the engine for as long as a message does.
    private static let shortByteCount = 16 << 10

    private let communicator: ServerlessCommunicator
    private let engine: Engine
    private let space: MessageSpace
    private let call: CollectiveCall
    private let packedCall: UInt64
    let rank: Int
    let size: Int
    private var block: UnsafeMutableRawBufferPointer?
    private var isScratchTaken = false
    private var disagreement: Disagreement?
    /// The requests of this round, linked by `next`.
    private var first = noSlot
    private var last = noSlot

    /// Runs a collective whose arguments have been checked, from its number to its end.
    static func run(
        _ collective: Collective, on communicator: ServerlessCommunicator
    ) throws(MPIError) {
        let engine = communicator.engine
        engine.lock()
        let call: CollectiveCall
        do throws(MPIError) {
            call = try engine.number(
                collective.operation, root: collective.root, in: communicator.space)
        } catch {
            engine.unlock()
            throw error
        }
        var steps = LinkSteps(call, on: communicator)
        do throws(MPIError) {
            try collective.perform(by: &steps)
            try steps.finishRound()
            engine.unlock()
        } catch {
            steps.abandon()
            engine.unlock()
            steps.giveScratchBack()
            guard let found = steps.disagreement else { throw error }
            try communicator.disagree(
                with: found.peer, call, expected: found.expected, sent: found.sent)
        }
        steps.giveScratchBack()
    }

    private init(_ call: CollectiveCall, on communicator: ServerlessCommunicator) {
        self.communicator = communicator
        engine = communicator.engine
        space = communicator.space
        self.call = call
        packedCall = call.packed
        rank = communicator.rank
        size = communicator.size
    }

    func algorithm(
        _ operation: CollectiveOperation, byteCount: Int, elementSize: Int
    ) -> CollectiveAlgorithm {
        communicator.algorithmChoice.algorithm(
            operation, byteCount: byteCount, elementSize: elementSize, size: size)
    }

    // MARK: Messages

    mutating func send(
        _ bytes: UnsafeRawBufferPointer, to rank: Int, step: Int
    ) throws(MPIError) {
        let handle = try engine.beginSend(
            bytes, in: space, to: rank, tag: Tag(rawValue: Int32(truncatingIfNeeded: step)),
            call: packedCall)
        if handle != .completed { note(UInt32(truncatingIfNeeded: handle.rawValue)) }
    }

    mutating func recv(
        into buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int
    ) throws(MPIError) {
        let index = engine.takeReceive(
            buffer, in: space, from: .rank(rank),
            tag: Tag(rawValue: Int32(truncatingIfNeeded: step)), call: packedCall)
        note(index)
        // So long a message is announced, and its sender waits for the answer.
        if buffer.count > engine.settings.eagerCollectiveByteCountMax {
            engine.post(index, in: space)
        } else {
            engine.requests[index].phase = .unposted
        }
    }

    private mutating func note(_ index: UInt32) {
        if last == noSlot { first = index } else { engine.requests[last].next = index }
        engine.requests[index].next = noSlot
        last = index
    }

    mutating func finishRound() throws(MPIError) {
        try engine.completeRound(first, in: space)
        while first != noSlot {
            let request = engine.requests.pointer(first)
            let index = first
            first = request.pointee.next
            if request.pointee.kind == .receive,
                request.pointee.byteCount != request.pointee.capacity
            {
                disagreement = Disagreement(
                    peer: Int(request.pointee.source), expected: request.pointee.capacity,
                    sent: request.pointee.byteCount)
            }
            engine.requests.giveBack(index)
        }
        last = noSlot
        if let disagreement {
            throw .truncated(
                call.name, from: disagreement.peer, tag: 0, capacity: disagreement.expected,
                actual: disagreement.sent)
        }
    }

    /// After an error: the job has failed or will, nothing moves any more, and no buffer may stay in
    /// use.
    private mutating func abandon() {
        while first != noSlot {
            let index = first
            engine.settleTransfer(index)
            first = engine.requests[index].next
            engine.requests.giveBack(index)
        }
        last = noSlot
    }

    // MARK: Local work

    mutating func copy(
        _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) {
        let isLong = source.count > Self.shortByteCount
        if isLong { engine.unlock() }
        target.fill(from: source)
        if isLong { engine.lock() }
    }

    mutating func combine(
        lower: UnsafeRawBufferPointer, into higher: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) {
        // A function of the program's may take any time.
        let isLong = lower.count > Self.shortByteCount || reduction.predefined == nil
        if isLong { engine.unlock() }
        reduction.combine(lower: lower, into: higher)
        if isLong { engine.lock() }
    }

    mutating func scratch(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        precondition(!isScratchTaken, "one scratch block per call")
        isScratchTaken = true
        if byteCount <= ServerlessCommunicator.scratchByteCount {
            return communicator.scratch.part(0, byteCount)
        }
        let block = ScratchPool.shared.take(byteCount)
        self.block = block
        return block.part(0, byteCount)
    }

    private func giveScratchBack() {
        if let block { ScratchPool.shared.give(block) }
    }
}
