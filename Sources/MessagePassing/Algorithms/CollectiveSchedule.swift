// A collective that is recorded first and carried out piece by piece, whenever its transport makes
// progress: the nonblocking form (after Hoefler, Lumsdaine, Rehm 2007, LibNBC).

/// One rank's part of a nonblocking collective: what is left to be done of it.
///
/// A transport keeps the schedules under way and calls `advance` when a request has completed.
/// `advance` never blocks.
public final class CollectiveSchedule: @unchecked Sendable {
    private enum Step {
        case send(UnsafeRawBufferPointer, to: Int, step: Int)
        case recv(UnsafeMutableRawBufferPointer, from: Int, step: Int)
        case finishRound
        case copy(UnsafeRawBufferPointer, to: UnsafeMutableRawBufferPointer)
        case combine(lower: UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer)
    }

    /// A message of the present round.
    private struct Pending {
        let request: RequestHandle
        /// The sender of a receive; nil for sends.
        let source: Int?
        let byteCount: Int
    }

    /// Records steps.
    private struct Recorder: CollectiveSteps {
        let rank: Int
        let size: Int
        let choice: AlgorithmChoice
        var steps: [Step] = []
        var reduction: RawReduction?
        var block: UnsafeMutableRawBufferPointer?

        func algorithm(
            _ operation: CollectiveOperation, byteCount: Int, elementSize: Int
        ) -> CollectiveAlgorithm {
            choice.algorithm(
                operation, byteCount: byteCount, elementSize: elementSize, size: size)
        }

        mutating func send(_ bytes: UnsafeRawBufferPointer, to rank: Int, step: Int) {
            steps.append(.send(bytes, to: rank, step: step))
        }
        mutating func recv(
            into buffer: UnsafeMutableRawBufferPointer, from rank: Int, step: Int
        ) {
            steps.append(.recv(buffer, from: rank, step: step))
        }
        mutating func finishRound() { steps.append(.finishRound) }
        mutating func copy(
            _ source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
        ) {
            steps.append(.copy(source, to: target))
        }
        mutating func combine(
            lower: UnsafeRawBufferPointer, into higher: UnsafeMutableRawBufferPointer,
            _ reduction: RawReduction
        ) {
            self.reduction = reduction
            steps.append(.combine(lower: lower, into: higher))
        }
        mutating func scratch(byteCount: Int) -> UnsafeMutableRawBufferPointer {
            precondition(block == nil, "one scratch block per call")
            let block = ScratchPool.shared.take(byteCount)
            self.block = block
            return block.part(0, byteCount)
        }
    }

    /// Its requests belong to it, so it must outlive them.
    private unowned let communicator: any Communicator
    package let call: CollectiveCall
    private let steps: [Step]
    private let reduction: RawReduction?
    private let block: UnsafeMutableRawBufferPointer?
    private var position = 0
    private var pending: [Pending] = []

    /// Records `collective`, whose arguments have been checked.
    init(
        _ collective: Collective, on communicator: any Communicator, _ call: CollectiveCall
    ) throws(MPIError) {
        var recorder = Recorder(
            rank: communicator.rank, size: communicator.size,
            choice: communicator.algorithmChoice)
        try collective.perform(by: &recorder)
        self.communicator = communicator
        self.call = call
        steps = recorder.steps
        reduction = recorder.reduction
        block = recorder.block
    }

    deinit {
        if let block { ScratchPool.shared.give(block) }
    }

    /// Does what can be done without waiting. One thread at a time.
    ///
    /// - Returns: true once this rank's part is complete.
    /// - Throws: what a message threw; all others of the call are finished or cancelled then.
    public func advance() throws(MPIError) -> Bool {
        do throws(MPIError) {
            while try isRoundFinished() {
                if position == steps.count { return true }
                try beginRound()
            }
            return false
        } catch {
            for message in pending { communicator.abandon(message.request) }
            pending.removeAll()
            position = steps.count
            throw error
        }
    }

    private func isRoundFinished() throws(MPIError) -> Bool {
        while let message = pending.last {
            // A request whose test throws is freed by it.
            pending.removeLast()
            let status: Status?
            do throws(MPIError) {
                status = try communicator.test(message.request)
            } catch {
                guard error.code == .truncated, let source = message.source else { throw error }
                try communicator.disagree(
                    with: source, call, expected: message.byteCount, sent: error.actualByteCount)
            }
            guard let status else {
                pending.append(message)
                return false
            }
            if let source = message.source, status.byteCount != message.byteCount {
                try communicator.disagree(
                    with: source, call, expected: message.byteCount, sent: status.byteCount)
            }
        }
        return true
    }

    private func beginRound() throws(MPIError) {
        while position < steps.count {
            let step = steps[position]
            position += 1
            switch step {
            case .send(let bytes, let peer, let number):
                pending.append(
                    Pending(
                        request: try communicator.post(
                            sendOf: bytes, to: peer, step: number, call),
                        source: nil, byteCount: 0))
            case .recv(let buffer, let peer, let number):
                pending.append(
                    Pending(
                        request: try communicator.post(
                            recvInto: buffer, from: peer, step: number, call),
                        source: peer, byteCount: buffer.count))
            case .finishRound:
                return
            case .copy(let source, let target):
                target.fill(from: source)
            case .combine(let lower, let higher):
                reduction?.combine(lower: lower, into: higher)
            }
        }
    }
}
