// The progress engine of one rank: all its links, requests and communicators. Progress is made by
// the thread that calls, under one lock that a call takes once, and gives away while it waits or works
// for long; there is no I/O thread that messages would have to be handed over from.

import Glibc
import MessagePassing

/// What an engine can be told.
struct EngineSettings {
    /// How long one wait may last; nil waits for ever.
    var timeout: Duration? = .seconds(300)
    /// The largest point-to-point message that is sent without asking the receiver.
    var eagerByteCountMax = 256 << 10
    /// The same of a collective, whose receiver is most likely there: then asking only takes time. On
    /// links that keep no copies.
    var eagerCollectiveByteCountMax = 1 << 20
    /// Memory for messages that come before their receive, of all peers together.
    var unexpectedByteCountMax = 64 << 20
    /// Memory for copies of messages that peers have not acknowledged yet, of all links together.
    var replayByteCountMax = 64 << 20
    /// How long the job's common cause of failure is waited for before the local one is thrown.
    var verdictTimeout: Duration = .seconds(2)
    /// How long a leaving rank waits for its peers to leave as well, once they have its data.
    var lingerTimeout: Duration = .seconds(2)

    func eagerByteCountMax(call: UInt64, on link: LinkPointer) -> Int {
        call == 0 || link.pointee.isResumable ? eagerByteCountMax : eagerCollectiveByteCountMax
    }
}

/// What every call looks at, in raw memory: as properties of a class each access would be checked
/// for exclusivity at run time, which the lock ensures already.
struct EngineState: BitwiseCopyable {
    /// A thread is polling with the lock released.
    var isPolling = false
    /// That thread sleeps in the kernel.
    var isSleeping = false
    /// A request was completed that another thread may be waiting for.
    var hasNews = false
    /// Nonblocking collectives are under way.
    var hasCollectives = false
    /// A request was completed, perhaps one that a collective waits for.
    var collectivesAreDue = false
    /// A thread advances them, with the lock released.
    var isAdvancingCollectives = false
    /// There is a failure or a suspicion.
    var isTroubled = false
    /// There is a cause to be reported.
    var hasUnreported = false
    /// Is idle time to be measured?
    var measuresIdle = false
    var idleNanoseconds = 0
    /// Threads that wait for the polling one.
    var waiterCount = 0
    /// Links that epoll watches for room to write.
    var blockedLinkCount = 0
    /// Links with more to read than epoll knows of.
    var unfinishedLinkCount = 0
    var passes: UInt = 0
}

/// Messages between this rank and its peers. All methods may be called from any thread.
///
/// Files: `+Sending`, `+SendingAtOnce`, `+Receiving`, `+Arrivals`, `+Frames` and `+Stored` are the ways
/// of a message, `+Awaited` that of a collective's (`LinkSteps`), `+BlockingReceive` the short one of a
/// program's, `+Links` is how links come,
/// `+Resuming` how they survive, `+Ending` how a peer's direction ends, `+Collectives` what is added to
/// collectives, `+Waiting` what a call waits for, `+Progress` who polls and who sleeps, `+Deadlines`
/// when a wait must end, `+Failure` the first cause, `+Leaving` the orderly end.
final class Engine: @unchecked Sendable {
    let rank: Int
    let size: Int
    let settings: EngineSettings
    /// By world rank; nil at this rank, and where no link has been needed so far.
    let links: UnsafeMutableBufferPointer<LinkPointer?>
    /// How each link came about; nil where there is none.
    var paths: [LinkPath?]
    /// Bytes of messages that one peer may send before their receive.
    let window: UInt64
    /// Links made after the start, on their way from the control thread.
    let arrivals = LinkMailbox()
    /// Makes links that are needed later; nil where all are there from the start.
    let connector: LinkConnector?
    let idlePolicy: IdlePolicy
    /// Are all ranks of the job on this host? By the roster, so that all say the same.
    let isOnOneHost: Bool
    /// As all ranks do of the job, or none.
    let makesLinksWhenNeeded: Bool

    let requests = Slab<RequestSlot>()
    let messages = Slab<MessageSlot>()
    let frames = Slab<OutgoingFrame>()
    /// Where the message being sent is put together.
    let outgoing: UnsafeMutableRawPointer
    private let buffers: UnsafeMutablePointer<BufferPool>
    var pool: BufferPool {
        unsafeAddress { UnsafePointer(buffers) }
        unsafeMutableAddress { buffers }
    }

    /// The world's space.
    let world: MessageSpace
    /// By number; nil where a communicator is gone.
    var spaces: [MessageSpace?] = []
    var spaceNumbers: [UInt64: Int32] = [:]
    /// The space of the latest message: most programs use one at a time.
    var latestSpace: MessageSpace

    /// Stores that payloads may go through instead of links, by number − 1; set before any message.
    var payloadStores: [any PayloadStore] = []
    /// Moves payloads to and from stores.
    let storeTransfers = TransferPool()
    /// Number of the latest payload this rank has left in a store.
    var storedPayloadCount: UInt64 = 0
    /// Payloads in stores that no receive has matched yet, and receives whose payload is not there.
    var storedPayloads: Set<StoredPayload> = []
    var storedReceives: [StoredPayload: (receiver: UInt32, store: UInt8)] = [:]

    /// Bytes of messages to oneself that wait in memory.
    var ownBufferedByteCount = 0

    let collectives = CollectivesUnderWay()
    /// Errors of collectives that are complete, by their requests' names.
    var collectiveErrors: [UInt64: MPIError] = [:]

    // MARK: Waiting
    let mutex: UnsafeMutablePointer<pthread_mutex_t>
    let condition: UnsafeMutablePointer<pthread_cond_t>
    let poller: Poller
    let state: UnsafeMutablePointer<EngineState>

    // MARK: Failure
    /// The first cause, which every call throws.
    var failure: MPIError? { didSet { noteTrouble() } }
    /// Evidence that this rank found itself; the job's verdict is waited for until the deadline.
    var suspicion: MPIError? { didSet { noteTrouble() } }
    var verdictDeadline = ContinuousClock.now
    /// A cause to be reported once the lock is released.
    var unreported: MPIError? { didSet { state.pointee.hasUnreported = unreported != nil } }
    /// Tells the rendezvous server what happened; nil where there is none.
    var reporter: (@Sendable (MPIError) -> Void)?
    /// Asks for another connection where one broke; nil where nobody makes any.
    var resumer: LinkResumer?
    /// Did this rank find the first cause?
    var foundCause = false
    /// The bytes of an abort frame being read; the cause is in them.
    var abortPayload: UnsafeMutableRawPointer
    /// The bytes of the abort frame being sent to all peers.
    var abortNotice: [UInt8] = []
    var isLeaving = false
    /// The sockets are closed.
    var isClosed = false

    /// - Parameters:
    ///   - links: by world rank, nil at `rank` and where a link is made when needed; the engine
    ///     closes their sockets.
    ///   - ranksOnHost: this one included; nil if the links tell.
    init(
        rank: Int, links established: [EstablishedLink?],
        settings: EngineSettings = EngineSettings(), ranksOnHost: Int? = nil,
        connector: LinkConnector? = nil
    ) throws(MPIError) {
        self.rank = rank
        self.size = established.count
        self.settings = settings
        self.poller = try Poller()
        self.connector = connector
        window = UInt64(settings.unexpectedByteCountMax / max(1, established.count))
        links = .allocate(capacity: established.count)
        links.initialize(repeating: nil)
        paths = Array(repeating: nil, count: established.count)
        let localPeers = established.count { $0?.path.isSameHost ?? false }
        let neighbours = ranksOnHost ?? localPeers + 1
        idlePolicy = IdlePolicy(ranksOnHost: neighbours)
        isOnOneHost = neighbours == established.count
        makesLinksWhenNeeded = established.indices.contains {
            $0 != rank && established[$0] == nil
        }
        state = .allocate(capacity: 1)
        state.initialize(to: EngineState())
        outgoing = .allocate(byteCount: Self.outgoingByteCount, alignment: 64)
        buffers = .allocate(capacity: 1)
        buffers.initialize(to: BufferPool())
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        // The wall clock may be set back during a wait.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        abortPayload = .allocate(byteCount: FrameLimit.abortByteCountMax, alignment: 16)
        world = MessageSpace(
            contextID: worldContextID, number: 0, rank: rank, group: Array(0..<established.count))
        latestSpace = world
        spaces.append(world)
        spaceNumbers[worldContextID] = 0
        for case let link? in established { try attach(link) }
    }

    deinit {
        closeLinks()
        for case let link? in links {
            link.pointee.destroy()
            link.deinitialize(count: 1)
            link.deallocate()
        }
        links.deallocate()
        for index in 0..<UInt32(messages.capacity) where messages[index].generation & 1 == 1 {
            if let buffer = messages[index].buffer {
                pool.giveBack(buffer, messages[index].byteCount)
            }
        }
        requests.destroy()
        messages.destroy()
        frames.destroy()
        pool.destroy()
        buffers.deinitialize(count: 1)
        buffers.deallocate()
        outgoing.deallocate()
        poller.close()
        state.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
        pthread_cond_destroy(condition)
        condition.deallocate()
        abortPayload.deallocate()
    }

    private func noteTrouble() {
        state.pointee.isTroubled = failure != nil || suspicion != nil
    }

    // MARK: The lock

    func lock() { pthread_mutex_lock(mutex) }

    /// Releases the lock; then, with no lock held, reports what was found.
    func unlock() {
        if state.pointee.hasNews { announceNews() }
        guard state.pointee.hasUnreported, let cause = unreported else {
            pthread_mutex_unlock(mutex)
            return
        }
        unreported = nil
        let reporter = reporter
        pthread_mutex_unlock(mutex)
        reporter?(cause)
    }

    // MARK: Message spaces

    /// The space of a context id; made now if a peer is ahead of this rank in creating it.
    func space(of contextID: UInt64) -> MessageSpace? {
        if latestSpace.contextID == contextID { return latestSpace }
        if let number = spaceNumbers[contextID], let space = spaces[Int(number)] {
            latestSpace = space
            return space
        }
        let early = spaces.count { $0?.isEarly ?? false }
        guard early < MessageSpace.earlyCountMax else { return nil }
        return register(contextID: contextID, rank: -1, group: [])
    }

    /// The space of a communicator this rank creates now, with what has already come for it.
    /// - Throws: if a message in it comes from a rank that cannot have sent it.
    func openSpace(
        contextID: UInt64, rank: Int, group: [Int]
    ) throws(MPIError) -> MessageSpace {
        lock()
        defer { unlock() }
        try checkAlive()
        guard let number = spaceNumbers[contextID], let space = spaces[Int(number)] else {
            return register(contextID: contextID, rank: rank, group: group)
        }
        for index in 0..<UInt32(messages.capacity) {
            let message = messages.pointer(index)
            guard message.pointee.generation & 1 == 1, message.pointee.communicator == number
            else { continue }
            let source = Int(message.pointee.source)
            guard source < group.count, group[source] == Int(message.pointee.peer) else {
                suspect(
                    protocolError(
                        Int(message.pointee.peer), "a message claims to come from another rank"))
                throw awaitVerdict()
            }
        }
        space.open(rank: rank, group: group)
        return space
    }

    private func register(contextID: UInt64, rank: Int, group: [Int]) -> MessageSpace {
        let free = spaces.firstIndex { $0 == nil }
        let number = Int32(free ?? spaces.count)
        let space = MessageSpace(contextID: contextID, number: number, rank: rank, group: group)
        if let free { spaces[free] = space } else { spaces.append(space) }
        spaceNumbers[contextID] = number
        return space
    }

    /// The communicator of that space is gone. Unreceived messages are forgotten with it.
    func closeSpace(_ space: MessageSpace) {
        lock()
        defer { unlock() }
        for index in 0..<UInt32(messages.capacity) {
            let message = messages.pointer(index)
            if message.pointee.generation & 1 == 1, message.pointee.communicator == space.number,
                message.pointee.kind == .buffered, message.pointee.isComplete
            {
                release(message: index)
            }
        }
        if space.queues.postedCount == 0 && !messagesRemain(in: space) {
            spaces[Int(space.number)] = nil
            spaceNumbers[space.contextID] = nil
            if latestSpace === space { latestSpace = world }
        }
    }

    private func messagesRemain(in space: MessageSpace) -> Bool {
        (0..<UInt32(messages.capacity)).contains {
            messages[$0].generation & 1 == 1 && messages[$0].communicator == space.number
        }
    }
}
