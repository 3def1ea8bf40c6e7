// A communicator of one rank (MPI_COMM_SELF), without a transport: programs that run alone need no
// launcher, no server and no thread.

import Synchronization

/// This process alone: rank 0 of 1. What it sends to itself it receives in order; only synchronous sends wait.
///
/// As nobody else can send, waiting for a receive whose message has not been sent is an error
/// (`timedOut`), not a wait.
public final class SelfCommunicator: Communicator {
    /// The one that programs share that name no communicator.
    public static let alone = SelfCommunicator()

    fileprivate struct Receive {
        var buffer: Target
        /// Set when a message has been copied in.
        var outcome: Result<Status, MPIError>?
    }
    /// Where a posted receive wants its bytes; its owner keeps them valid until it completes.
    fileprivate struct Target: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
    }
    fileprivate struct State: ~Copyable {
        var queues = MatchQueues()
        var ledger = CollectiveLedger()
        var nextID: UInt32 = 1
        /// Sent, not received yet.
        var messages: [UInt32: (bytes: [UInt8], status: Status)] = [:]
        var receives: [UInt32: Receive] = [:]
        /// Synchronous sends, by their message: has it been received?
        var synchronousSends: [UInt32: Bool] = [:]
        var failure: MPIError?
    }
    private let state = Mutex(State())

    public init() {}

    public var rank: Int { 0 }
    public var size: Int { 1 }
    public var timeout: Duration? { nil }

    /// Sends are complete at once and need no state.
    private static let completedSend = RequestHandle(rawValue: 0)

    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, context, isSynchronous: false)
    }

    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, .pointToPoint, isSynchronous: true)
    }

    private func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, _ tag: Tag,
        _ context: Context, isSynchronous: Bool
    ) throws(MPIError) -> RequestHandle {
        try checkPeer(destination.rawValue, isNone: destination == .none, "isend")
        if context == .pointToPoint && tag.rawValue < 0 {
            throw .invalidArgument("isend", "tag \(tag); tags are 0 or more")
        }
        if destination == .none { return Self.completedSend }
        let envelope = Envelope(
            contextID: worldContextID, source: 0, tag: tag, call: context.packedCall,
            byteCount: bytes.count)
        // Copied before the lock is taken, and for nothing if a receive is waiting: sends to
        // oneself are small or rare.
        let copy = [UInt8](bytes)
        return state.withLock { state in
            let id = state.newID()
            if let receive = state.queues.arrive(envelope, message: id) {
                state.deliver(copy, envelope.status, to: receive)
                return Self.completedSend
            }
            state.messages[id] = (copy, envelope.status)
            if !isSynchronous { return Self.completedSend }
            state.synchronousSends[id] = false
            return RequestHandle(rawValue: UInt64(id))
        }
    }

    /// Alone every collective is complete at once.
    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try run(collective)
        return Self.completedSend
    }

    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        let isSpecial = source == .none || source == .any
        try checkPeer(source.rawValue, isNone: isSpecial, "irecv")
        if source == .none { return Self.completedSend }
        let target = Target(bytes: buffer)
        return state.withLock { state in
            let id = state.newID()
            state.receives[id] = Receive(buffer: target)
            if let message = state.queues.post(
                receive: id, source: source, tag: tag, call: context.packedCall),
                let (bytes, status) = state.takeMessage(message)
            {
                state.deliver(bytes, status, to: id)
            }
            return RequestHandle(rawValue: UInt64(id))
        }
    }

    private func checkPeer(_ rank: Int, isNone: Bool, _ operation: String) throws(MPIError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        guard rank == 0 || isNone else {
            throw .invalidArgument(operation, "rank \(rank) of 1; there is rank 0 only")
        }
    }

    public func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        guard request != Self.completedSend else { return .empty }
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        let outcome = state.withLock { state -> Result<Status, MPIError>? in
            if let isReceived = state.synchronousSends[id] {
                if !isReceived { return nil }
                state.synchronousSends[id] = nil
                return .success(.empty)
            }
            guard let receive = state.receives[id] else {
                return .failure(.invalidArgument("test", "the request is not pending"))
            }
            guard let outcome = receive.outcome else { return nil }
            state.receives[id] = nil
            return outcome
        }
        guard let outcome else { return nil }
        return try outcome.get()
    }

    public func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        if let status = try test(request) { return status }
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        let waiting = state.withLock { state in
            // What waits for itself to receive is withdrawn.
            if state.synchronousSends.removeValue(forKey: id) != nil {
                _ = state.queues.withdraw(message: id)
                state.messages[id] = nil
                return "the receive of a synchronous send"
            }
            return state.queues.unmatchedReceives
        }
        _ = cancel(request)
        throw nothingComes(waiting)
    }

    private func nothingComes(_ waiting: String) -> MPIError {
        MPIError(
            .timedOut, operation: "wait",
            reason:
                "this process is alone and waits for \(waiting), which only it could bring about")
    }

    public func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        for candidate in requests.indices {
            index = candidate
            if let status = try test(requests[candidate]) { return status }
        }
        index = -1
        throw nothingComes(state.withLock { $0.queues.unmatchedReceives })
    }

    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        var failure: MPIError?
        for (index, request) in requests.enumerated() {
            do {
                let status = try wait(request)
                if !statuses.isEmpty { statuses[index] = status }
            } catch {
                if failure == nil { failure = error }
            }
        }
        if let failure { throw failure }
    }

    public func cancel(_ request: RequestHandle) -> Bool {
        let id = UInt32(truncatingIfNeeded: request.rawValue)
        return state.withLock { state in
            guard request != Self.completedSend, state.queues.withdraw(receive: id) else {
                return false
            }
            state.receives[id] = nil
            return true
        }
    }

    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try checkPeer(source.rawValue, isNone: source == .any || source == .none, "iprobe")
        if source == .none { return .empty }
        return state.withLock { $0.queues.probe(source: source, tag: tag)?.status }
    }

    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        if let status = try iprobe(from: source, tag: tag) { return status }
        throw nothingComes("a message with tag \(tag)")
    }

    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try checkPeer(source.rawValue, isNone: source == .any || source == .none, "improbe")
        if source == .none { return (MessageHandle(rawValue: 0), .empty) }
        return state.withLock { state in
            state.queues.claim(source: source, tag: tag).map {
                (MessageHandle(rawValue: UInt64($0.message)), $0.status)
            }
        }
    }

    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        if let found = try improbeHandle(from: source, tag: tag) { return found }
        throw nothingComes("a message with tag \(tag)")
    }

    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        guard message.rawValue != 0 else { return Self.completedSend }
        let target = Target(bytes: buffer)
        let id = state.withLock { state -> UInt32? in
            let key = UInt32(truncatingIfNeeded: message.rawValue)
            guard let (bytes, status) = state.takeMessage(key) else { return nil }
            let id = state.newID()
            state.receives[id] = Receive(buffer: target)
            state.deliver(bytes, status, to: id)
            return id
        }
        guard let id else {
            throw .invalidArgument("imrecv", "the message has been received already")
        }
        return RequestHandle(rawValue: UInt64(id))
    }

    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        try checkPeer(0, isNone: false, "split")
        return color == nil ? nil : SelfCommunicator()
    }

    public func dup() throws(MPIError) -> any Communicator {
        try checkPeer(0, isNone: false, "dup")
        return SelfCommunicator()
    }

    public func abort(_ reason: MPIError) throws(MPIError) -> Never {
        throw state.withLock { state in
            let cause = state.failure ?? reason
            state.failure = cause
            return cause
        }
    }

    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        if let failure = state.withLock({ $0.failure }) { throw failure }
        return state.withLock { $0.ledger.begin(operation, root: root) }
    }
}

extension SelfCommunicator.State {
    fileprivate mutating func newID() -> UInt32 {
        defer { nextID = nextID == .max ? 1 : nextID + 1 }
        return nextID
    }

    fileprivate mutating func takeMessage(_ id: UInt32) -> (bytes: [UInt8], status: Status)? {
        if synchronousSends[id] != nil { synchronousSends[id] = true }
        return messages.removeValue(forKey: id)
    }

    fileprivate mutating func deliver(_ bytes: [UInt8], _ status: Status, to receive: UInt32) {
        guard let target = receives[receive]?.buffer.bytes else { return }
        guard bytes.count <= target.count else {
            receives[receive]?.outcome = .failure(
                .truncated(
                    "recv", from: 0, tag: Int(status.tag.rawValue), capacity: target.count,
                    actual: bytes.count))
            return
        }
        target.copyBytes(from: bytes)
        receives[receive]?.outcome = .success(status)
    }
}
