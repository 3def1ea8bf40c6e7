// What the control thread and the rank's other threads share: promises, a mailbox of commands, and
// the job's first cause of failure.

import MessagePassing
import Synchronization

/// What the control thread asks of whoever uses the links. Called on the control thread.
struct LinkKeeper: Sendable {
    /// The peer has given this connection up.
    let abandon: @Sendable (_ peer: Int, _ incarnation: Int) -> Void
    /// There will be no other connection to this peer.
    let lose: @Sendable (_ peer: Int, _ cause: MPIError, _ hasDeparted: Bool) -> Void
    /// Look for connections that are dead; about once a second.
    let check: @Sendable () -> Void
    /// The peers that have said bye.
    let departed: @Sendable () -> [Int]
}

/// What the control thread and the rank's other threads share.
final class ControlState: Sendable {
    enum Command: Sendable {
        /// The mesh must stand by then.
        case connect(deadline: ContinuousClock.Instant)
        /// The program needs a link to this rank.
        case need(Int)
        /// The engine has found this connection to a rank broken.
        case broken(Int, incarnation: Int)
        case report(MPIError)
        case leave(deadline: ContinuousClock.Instant)
    }

    /// This process's place in the job.
    struct Seat: Sendable {
        let rank: Int
        /// This one included.
        let ranksOnHost: Int
        let attachment: NetworkAttachment
    }

    private struct Failure {
        var cause: MPIError?
        var handler: (@Sendable (MPIError) -> Void)?
        var isMuted = false
    }

    let poll: EventPoll
    let joined = Promise<Result<Seat, MPIError>>()
    let connected = Promise<Result<[EstablishedLink?], MPIError>>()
    let lateLinks = LateLinks()
    private let keeper = Mutex<LinkKeeper?>(nil)
    private let mailbox = Mutex<[Command]>([])
    private let failure = Mutex(Failure())

    init(poll: EventPoll) { self.poll = poll }

    func post(_ command: Command) {
        mailbox.withLock { $0.append(command) }
        poll.wake()
    }

    func takeCommands() -> [Command] {
        mailbox.withLock { commands in
            defer { commands = [] }
            return commands
        }
    }

    /// Sets who looks after the links in use; nil: nobody any more.
    func setKeeper(_ keeper: LinkKeeper?) { self.keeper.withLock { $0 = keeper } }

    var linkKeeper: LinkKeeper? { keeper.withLock { $0 } }

    var firstCause: MPIError? { failure.withLock { $0.cause } }

    /// Calls the handler at once if the job has failed already.
    func setHandler(_ handler: @escaping @Sendable (MPIError) -> Void) {
        let cause = failure.withLock { failure in
            failure.handler = failure.cause == nil ? handler : nil
            return failure.cause
        }
        if let cause { handler(cause) }
    }

    func mute() {
        failure.withLock {
            $0.isMuted = true
            $0.handler = nil
        }
    }

    /// The first cause stands, and everyone who waits is told.
    func fail(_ cause: MPIError) {
        let (isFirst, handler) = failure.withLock { failure in
            let isFirst = failure.cause == nil
            if isFirst { failure.cause = cause }
            defer { failure.handler = nil }
            return (isFirst, failure.isMuted ? nil : failure.handler)
        }
        guard isFirst else { return }
        joined.fulfil(.failure(cause))
        connected.fulfil(.failure(cause))
        handler?(cause)
    }
}
