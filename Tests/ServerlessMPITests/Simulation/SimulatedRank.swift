// One rank of a simulation: a real engine on local sockets, a real mesh machine, and between them
// what the control thread does (ControlLoop, MeshConnector), on virtual time.

import CLinux
import Glibc
import MessagePassing
import Synchronization

@testable import ServerlessMPI

/// What an engine tells its control thread, which may come with the engine's lock held.
final class EngineNews: Sendable {
    private let state = Mutex(
        (broken: [(peer: Int, incarnation: Int)](), causes: [MPIError]()))

    func broke(_ peer: Int, _ incarnation: Int) {
        state.withLock { $0.broken.append((peer, incarnation)) }
    }

    func report(_ cause: MPIError) { state.withLock { $0.causes.append(cause) } }

    func take() -> (broken: [(peer: Int, incarnation: Int)], causes: [MPIError]) {
        state.withLock { state in
            defer { state = ([], []) }
            return state
        }
    }
}

final class SimulatedRank {
    static let verdictTimeout = Duration.seconds(1)
    static let resumeTimeout = JoinURL.defaultResumeTimeout
    static let joinTimeout = Duration.seconds(30)

    let rank: Int
    let size: Int
    let clock: SimulationClock
    let network: SimulatedNetwork
    let server: SimulatedServer
    let program: SimulatedProgram
    let note: (String) -> Void
    let seed: UInt64

    // MARK: The process
    var isDead = false
    var frozenUntil: ContinuousClock.Instant
    var isDone = false
    var doneAt: ContinuousClock.Instant?
    /// Why this rank has failed.
    var firstCause: MPIError?
    var failedAt: ContinuousClock.Instant?

    // MARK: The control thread
    var call: ServerCall?
    var rejoining = Rejoining()
    var machine: MeshMachine?
    var plans: [PeerPlan?] = []
    var nextIncarnation: [Int]
    var demands = LinkDemands()
    var lostPeers: Set<Int> = []
    var upgrades = UpgradeSchedule()
    var reported: (cause: MPIError, deadline: ContinuousClock.Instant)?
    var connectDeadline: ContinuousClock.Instant?
    /// When this rank wakes next, unless something comes before.
    private var alarm: ContinuousClock.Instant?
    var isLeavingServer = false
    /// Until they are handed over together.
    var links: [EstablishedLink?]

    // MARK: The engine
    var engine: Engine?
    let news = EngineNews()

    init(
        rank: Int, size: Int, _ network: SimulatedNetwork, _ server: SimulatedServer,
        _ program: SimulatedProgram, seed: UInt64, note: @escaping (String) -> Void
    ) {
        self.rank = rank
        self.size = size
        self.network = network
        self.server = server
        self.program = program
        self.seed = seed
        self.note = note
        clock = network.clock
        frozenUntil = clock.now
        nextIncarnation = Array(repeating: 0, count: size)
        links = Array(repeating: nil, count: size)
    }

    var isRunning: Bool { !isDead && !isDone }
    var isFrozen: Bool { frozenUntil > clock.now }

    // MARK: Time

    /// Once in a while, and whenever something has come.
    func wake() {
        guard isRunning, !isFrozen else { return }
        passTime()
        for end in network.ends[rank] where !end.inbox.isEmpty { drain(end) }
        runEngine()
        setAlarm()
    }

    private func passTime() {
        let now = clock.now
        machine?.advance(to: now)
        perform()
        if let at = rejoining.at, now >= at { callAgain() }
        if let reported, now >= reported.deadline { fail(reported.cause) }
        for peer in demands.takeOverdue(now) {
            machine?.giveUp(peer)
            if nextIncarnation[peer] > 0 { lose(peer, hasDeparted: false) }
        }
        meshMoved()
    }

    func beat() {
        guard isRunning else { return }
        // What a stopped process has missed is due as soon as it goes on.
        guard !isFrozen else { return clock.at(frozenUntil) { [self] in beat() } }
        clock.after(.seconds(1)) { [self] in beat() }
        say(.heartbeat)
        checkLinks()
        wake()
    }

    func fail(_ cause: MPIError) {
        guard firstCause == nil else { return }
        reported = nil
        demands = LinkDemands()
        firstCause = cause
        failedAt = clock.now
        note("rank \(rank) fails: \(cause.code.name), peer \(cause.peer ?? -1): \(cause.reason)")
        engine?.jobFailed(cause)
        for end in network.ends[rank] where end.socket < 0 { network.hangUp(end) }
        machine = nil
        clock.after(.milliseconds(10)) { [self] in end() }
    }

    /// The program has returned; the process says goodbye to the server and ends.
    func end() {
        guard isRunning else { return }
        engine?.closeLinks()
        for end in network.ends[rank] { network.collect(end) }
        isLeavingServer = true
        clock.after(.seconds(2)) { [self] in finish() }
        // As ControlLoop.sayBye.
        if call?.isOpenAtRank == true {
            say(.bye)
        } else if !mayCallAgain {
            finish()
        } else if rejoining.at != nil {
            rejoining.at = clock.now
            setAlarm()
        }
    }

    var mayCallAgain: Bool { rejoining.isPossible && firstCause == nil && machine != nil }

    func finish() {
        guard isRunning else { return }
        isDone = true
        doneAt = clock.now
        machine = nil
        // What has been closed in order is the kernel's.
        for end in network.ends[rank] where !end.hasEnded { network.hangUp(end) }
        if let call, call.isOpenAtRank { server.hangUp(call) }
        note("rank \(rank) is done\(firstCause == nil ? "" : ", failed")")
    }

    /// SIGKILL.
    func die() {
        guard isRunning else { return }
        isDead = true
        note("rank \(rank) dies")
        engine?.closeLinks()
        for end in network.ends[rank] { network.hangUp(end) }
        if let call, call.isOpenAtRank { server.hangUp(call) }
    }
}

// MARK: The server

extension SimulatedRank {
    func say(_ message: ClientMessage) {
        if let call, call.isOpenAtRank { server.say(message, on: call) }
    }

    func join() {
        guard isRunning else { return }
        guard !isFrozen, let call = server.connect(rank) else {
            return clock.after(.milliseconds(500)) { [self] in join() }
        }
        self.call = call
        say(.join(request))
    }

    private var request: JoinRequest {
        var id = [UInt8](repeating: UInt8(rank), count: Preamble.idByteCount)
        id[0] = 1
        return JoinRequest(
            encryption: .none, epoch: 0, size: size, rank: rank, joinTimeout: Self.joinTimeout,
            requestID: RequestID(naming: "rank \(rank)"),
            hostTag: [UInt8](repeating: UInt8(rank), count: JoinRequest.hostTagByteCount),
            candidates: [Candidate(kind: .host, address: network.hosts[rank].address)],
            ticket: rejoining.ticket, observationID: id)
    }

    /// As ControlLoop.serverMoved.
    func serverLost() {
        guard isRunning else { return }
        note("rank \(rank) has lost the server")
        if isLeavingServer {
            if !mayCallAgain { return finish() }
        } else if machine == nil, firstCause == nil {
            fail(MPIError(.connectFailed, operation: "join", reason: "the server is gone"))
        } else if let reported {
            fail(reported.cause)
        }
        rejoining.lost(clock.now)
        setAlarm()
    }

    private func callAgain() {
        rejoining.calls()
        guard firstCause == nil, machine != nil else { return }
        clock.after(network.oneWay * 2) { [self] in
            guard isRunning else { return }
            guard let call = server.connect(rank) else { return serverLost() }
            self.call = call
            say(.join(request))
            tellDepartures()
            for peer in demands.peers { signal(peer) }
            if isLeavingServer { say(.bye) }
        }
    }

    /// As ControlLoop.tellDepartures.
    func tellDepartures() {
        guard call?.isOpenAtRank == true, let engine else { return }
        let ranks = rejoining.takeUntold(engine.departedPeers)
        if !ranks.isEmpty { say(.departed(ranks)) }
    }

    /// As ControlLoop.receive.
    func receive(_ message: ServerMessage) {
        guard isRunning else { return }
        switch message {
        case .welcome(let welcome):
            if rejoining.isWelcomed(welcome) {
                machine?.relayIsBack(now: clock.now)
            } else {
                beat()
            }
        case .roster(let roster): begin(roster)
        case .connect(let peer, let incarnation): signalled(peer, incarnation)
        case .departed(let peer): departed(peer)
        case .upgrade(let peer): upgrade(peer)
        case .refused(let cause):
            if !rejoining.isRefused(cause) {
                fail(cause)
            } else if isLeavingServer {
                finish()
            }
        case .failed(let cause): fail(cause)
        case .relay(let peer, let token):
            note("rank \(rank) is offered a relay to \(peer)")
            machine?.relayOffered(to: peer, token, now: clock.now)
        case .relayRefused(let peer, let cause):
            note("rank \(rank) is refused a relay to \(peer)")
            machine?.relayRefused(to: peer, cause.reason, now: clock.now)
        case .farewell: finish()
        }
        perform()
        wake()
    }

    private func begin(_ roster: [RosterEntry]) {
        guard machine == nil, firstCause == nil else { return }
        plans = PeerPlan.plans(
            roster: roster, rank: rank, port: network.hosts[rank].address.port)
        connectDeadline = clock.now + Self.joinTimeout
        machine = MeshMachine(
            rank: rank, plans: plans, roundTripTime: network.oneWay * 2,
            relayAddress: SimulatedNetwork.server, seed: seed, now: clock.now)
    }

    /// As ControlLoop.wakeTime.
    private var wakeTime: ContinuousClock.Instant? {
        [
            machine?.nextDeadline, rejoining.at, demands.wakeTime, reported?.deadline,
            engine == nil && machine != nil ? connectDeadline : nil,
        ].compactMap(\.self).min()
    }

    /// Sees to it that this rank wakes when it has something to do. Only the latest alarm counts.
    func setAlarm() {
        guard let instant = wakeTime, isRunning, !isFrozen, instant != alarm else { return }
        alarm = instant
        clock.at(instant) { [self] in
            guard alarm == instant else { return }
            alarm = nil
            wake()
        }
    }
}

// MARK: Failure

extension SimulatedRank {
    /// As ControlLoop.report.
    func report(_ cause: MPIError) {
        guard reported == nil, firstCause == nil else { return }
        note("rank \(rank) reports \(cause.code.name), peer \(cause.peer ?? -1): \(cause.reason)")
        guard let call, call.isOpenAtRank else { return fail(cause) }
        reported = (cause, clock.now + Self.verdictTimeout)
        connectDeadline = nil
        setAlarm()
        demands = LinkDemands()
        say(.report(cause))
    }

    /// As ControlLoop.meshMoved.
    func meshMoved() {
        guard let machine, firstCause == nil, !machine.isComplete else { return }
        if let peer = machine.hopelessPeer(now: clock.now) {
            if nextIncarnation[peer.peer] > 0 { return lose(peer.peer, hasDeparted: false) }
            report(unreachable(peer, "none of its addresses can be used"))
        } else if engine == nil, let connectDeadline, clock.now >= connectDeadline,
            let peer = machine.missingPeer()
        {
            report(unreachable(peer, "no connection before the deadline"))
        }
    }

    private func unreachable(_ peer: MeshMachine.UnreachedPeer, _ what: String) -> MPIError {
        MPIError(.connectFailed, operation: "connect", reason: what, peer: peer.peer)
    }
}
