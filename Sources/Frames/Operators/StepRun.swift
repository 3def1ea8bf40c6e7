// One step under way on one rank: its clock, its record, and how it talks to the other ranks. Every
// exchange starts here, so that ranks that disagree, or one that has failed, are noticed by all.

import MessagePassing

/// What opens each exchange of rows: 136 bytes for each rank, sent by one alltoall.
struct ExchangeHeader: BitwiseCopyable {
    /// 0; 1 if this rank's step failed its checks (`PlanStep.agreedFailure`) or one of its values
    /// (`StepRun.agree`); 2 if its integer sums may overflow (`StepRun.watchSums`).
    var status: UInt64 = 0
    var fingerprint: UInt64
    /// Rows, and 64-byte blocks of message, for the receiver.
    var rowCount = 0
    var blockCount = 0
    /// How many more rounds this rank needs after this one.
    var roundsLeft = 0
    /// Whatever else the operator's ranks must know of each other.
    typealias Facts = (Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int)
    var facts: Facts = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

/// A step of a plan being executed.
final class StepRun {
    let node: PlanNode
    let communicator: any Communicator
    private(set) var statistics: StepStatistics
    private let start: ContinuousClock.Instant
    /// Might this rank's sums overflow? Told by the next exchange.
    var mayOverflow = false
    /// Did any rank say so?
    private(set) var anyMayOverflow = false

    init(_ node: PlanNode) {
        self.node = node
        communicator = node.communicator
        statistics = StepStatistics(operation: node.name)
        start = .now
    }

    var size: Int { communicator.size }
    var rank: Int { communicator.rank }

    /// The record, complete.
    func finished(rowsIn: Int, rowsOut: Int) -> StepStatistics {
        statistics.rowsIn = rowsIn
        statistics.rowsOut = rowsOut
        statistics.compute = start.duration(to: .now) - statistics.communication
        return statistics
    }

    /// Counts what steps within this one have sent and received.
    func include(_ steps: [StepStatistics]) {
        for step in steps {
            statistics.exchanges += step.exchanges
            statistics.bytesSent += step.bytesSent
            statistics.bytesReceived += step.bytesReceived
            statistics.communication += step.communication
        }
    }

    /// A call of the communicator, timed.
    func communicate<Result>(
        sent: Int, received: Int, _ call: (any Communicator) throws(MPIError) -> Result
    ) throws(FrameError) -> Result {
        let start = ContinuousClock.now
        statistics.exchanges += 1
        statistics.bytesSent += sent
        statistics.bytesReceived += received
        defer { statistics.communication += start.duration(to: .now) }
        do {
            return try call(communicator)
        } catch {
            throw FrameError(
                .communication, operation: node.name, reason: "the communicator failed",
                location: node.origin.description, cause: error)
        }
    }

    /// Opens an exchange: tells rank r `headers[r]`, learns what each rank tells this one.
    ///
    /// Collective. One alltoall of 136 bytes per pair of ranks.
    /// - Throws: if some rank failed, or runs another step: the same error on every rank.
    /// - Parameter failure: why this rank's headers have a status.
    func open(
        _ headers: [ExchangeHeader], failure: FrameError? = nil
    ) throws(FrameError) -> [ExchangeHeader] {
        var headers = headers
        for rank in headers.indices {
            headers[rank].fingerprint = node.fingerprint
            if mayOverflow && headers[rank].status == 0 { headers[rank].status = 2 }
        }
        let sent = (size - 1) * MemoryLayout<ExchangeHeader>.stride
        let outgoing = headers
        let received = try communicate(sent: sent, received: sent) { (world) throws(MPIError) in
            try world.alltoall(outgoing.span)
        }
        for (source, header) in received.enumerated() {
            if let reason = header.fault {
                throw refusal(MessageFault(source: source, reason: reason))
            }
        }
        anyMayOverflow = anyMayOverflow || received.contains { $0.status == 2 }
        if let failed = received.firstIndex(where: { $0.status == 1 }) {
            throw try Agreement.error(
                failure, from: failed, operation: node.name, on: communicator)
        }
        if let other = received.firstIndex(where: { $0.fingerprint != received[0].fingerprint }) {
            throw try disagreement(between: 0, and: other)
        }
        return received
    }

    /// Opens an exchange with one header for all.
    func open(
        _ header: ExchangeHeader, failure: FrameError? = nil
    ) throws(FrameError) -> [ExchangeHeader] {
        try open(Array(repeating: header, count: size), failure: failure)
    }

    func header() -> ExchangeHeader { ExchangeHeader(fingerprint: node.fingerprint) }

    private func disagreement(between first: Int, and second: Int) throws(FrameError) -> FrameError
    {
        let mine = "\(node.name) \(node.operation.summary) over (\(node.inputs[0].schema))"
        let texts = try Agreement.texts(mine, of: [first, second], on: communicator)
        return FrameError(
            .mismatchedPlan, operation: "frame",
            reason: "rank \(first) runs \(texts[0]), rank \(second) runs \(texts[1]); all ranks "
                + "must call the same verbs with the same arguments on the same columns")
    }
}
