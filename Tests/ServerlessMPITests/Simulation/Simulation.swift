// A whole job on virtual time in one thread: ranks with their real engines, mesh machines and the
// real job table, and between them a network that a seed makes misbehave. The same seed gives the
// same run. What is asked of every run is in `verdict`.

import Glibc
import MessagePassing

@testable import ServerlessMPI

final class Simulation {
    struct Outcome: Sendable {
        var seed: UInt64
        var complaint: String?
        var notes: [String] = []
        var hasFailed = false
        var breaks = 0
        var happenings = 0
    }

    /// Nothing may take longer, in virtual time.
    static let limit = Duration.seconds(90)

    private let seed: UInt64
    private let size: Int
    private let clock = SimulationClock()
    private let network: SimulatedNetwork
    private let server: SimulatedServer
    private var ranks: [SimulatedRank] = []
    private var random: Seeded
    private var outcome: Outcome
    private let keepsNotes: Bool
    /// Must the job end well, whatever has happened so far?
    private var mustSucceed = true
    /// The server was started again after it had fixed the cause: ranks that could not be told in
    /// time, as they were stopped or cut off, find one of their own.
    private var causeIsForgotten = false
    /// By rank: when it could not be reached last, and when its connection to the server was broken.
    private var away: [Int: ClosedRange<ContinuousClock.Instant>] = [:]
    private var lastCut: [Int: ContinuousClock.Instant] = [:]

    init(seed: UInt64, keepsNotes: Bool = false) {
        self.seed = seed
        self.keepsNotes = keepsNotes
        random = Seeded(seed &* 0x9E37_79B9 &+ 1)
        size = Int.random(in: 2...4, using: &random)
        outcome = Outcome(seed: seed)
        network = SimulatedNetwork(clock, ranks: size, seed: random.next())
        server = SimulatedServer(clock, network, seed: random.next())
        let traffic = SimulatedTraffic(ranks: size, &random)
        for rank in 0..<size {
            let program = SimulatedProgram(traffic, rank: rank, clock, seed: random.next())
            ranks.append(
                SimulatedRank(
                    rank: rank, size: size, network, server, program, seed: random.next(),
                    note: { [weak self] in self?.note($0) }))
        }
        connectParts()
    }

    private func connectParts() {
        network.hear = { [unowned self] in ranks[$0.rank].wake() }
        network.listens = { [unowned self] in ranks[$0].machine != nil }
        network.isAlive = { [unowned self] in ranks[$0].isRunning }
        network.hasLeft = { [unowned self] in ranks[$0].engine?.isClosed == true }
        server.deliver = { [unowned self] message, call in receive(message, call) }
        server.lost = { [unowned self] call in lose(call) }
        server.note = { [unowned self] in note($0) }
        for rank in ranks {
            rank.program.wake = { [unowned rank] in rank.wake() }
            rank.program.isUnacknowledged = { [unowned self, unowned rank] peer in
                network.ends[rank.rank].contains {
                    $0.socket >= 0 && $0.peer == peer && $0.bytesUnderWay > 0
                }
            }
        }
    }

    /// A stopped process reads nothing until it goes on.
    private func receive(_ message: ServerMessage, _ call: ServerCall) {
        let rank = ranks[call.rank]
        if rank.isFrozen {
            clock.at(rank.frozenUntil) { [self] in receive(message, call) }
        } else if rank.call === call {
            rank.receive(message)
        }
    }

    private func lose(_ call: ServerCall) {
        let rank = ranks[call.rank]
        if rank.isFrozen {
            clock.at(rank.frozenUntil) { [self] in lose(call) }
        } else if rank.call === call {
            rank.serverLost()
        }
    }

    private func note(_ text: String) {
        guard keepsNotes else { return }
        let (seconds, attoseconds) = (clock.now - clock.start).components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        outcome.notes.append("\(milliseconds) ms  \(text)")
    }

    // MARK: The run

    func run() -> Outcome {
        server.start()
        note(
            "\(size) ranks, \(network.oneWay) one way, \(network.lossPercent) % lost; "
                + network.hosts.map { host in
                    host.box.map { "\(network.boxes[$0].behaviour)" } ?? "open"
                }.joined(separator: "; "))
        for rank in ranks {
            let delay = Duration.milliseconds(Int.random(in: 0...400, using: &random))
            clock.after(delay) { rank.join() }
        }
        planFaults()
        let end = clock.start + Self.limit
        while ranks.contains(where: \.isRunning), clock.now < end, clock.count < 400_000 {
            guard clock.step() else { break }
        }
        outcome.happenings = clock.count
        outcome.hasFailed = ranks.contains { $0.firstCause != nil }
        outcome.complaint = verdict()
        for rank in ranks {
            if let complaint = rank.program.fault { outcome.complaint = complaint }
            rank.machine = nil
            rank.engine?.closeLinks()
        }
        clock.stop()
        return outcome
    }

    /// What is wrong with how the job ended; nil if nothing is.
    private func verdict() -> String? {
        if let fault = server.fault { return fault }
        if let stuck = ranks.first(where: \.isRunning) {
            return "rank \(stuck.rank) does not come to an end: \(stuck.program.state)"
        }
        let survivors = ranks.filter { !$0.isDead }
        let failed = survivors.filter { $0.firstCause != nil }
        guard let first = failed.first?.firstCause else {
            let unfinished = survivors.first { $0.program.phase != .left }
            if let unfinished { return "rank \(unfinished.rank) ended early" }
            return survivors.first { $0.program.hasSurplus }.map {
                "rank \($0.rank) has got too much"
            }
        }
        if mustSucceed { return "the job failed without need: \(first)" }
        for rank in failed where !causeIsForgotten {
            guard let cause = rank.firstCause, cause.code == first.code, cause.peer == first.peer,
                cause.reason == first.reason
            else {
                return "rank \(failed[0].rank) says \(first), rank \(rank.rank) says "
                    + "\(rank.firstCause?.description ?? "")"
            }
        }
        // Who left in order before had nothing to report.
        let earliest = failed.compactMap(\.failedAt).min()
        let happy = survivors.first { rank in
            rank.firstCause == nil && !(rank.program.phase == .left)
        }
        if let happy, earliest != nil { return "rank \(happy.rank) reports nothing" }
        return nil
    }

    // MARK: Faults

    private func planFaults() {
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            let at = Duration.milliseconds(Int.random(in: 0...6000, using: &random))
            let kind = Int.random(in: 0..<100, using: &random)
            clock.after(at) { [self] in doHarm(kind) }
        }
    }

    private var hasBegun: Bool { ranks.allSatisfy { $0.engine != nil || !$0.isRunning } }

    private func doHarm(_ kind: Int) {
        let rank = Int.random(in: 0..<size, using: &random)
        let some = Duration.milliseconds(Int.random(in: 1...1500, using: &random))
        switch kind {
        case 0..<45: breakSomeWire(rank, noticedWithin: some)
        case 45..<57:
            guard !network.boxes.isEmpty else { return }
            let box = Int.random(in: 0..<network.boxes.count, using: &random)
            note("box \(box) forgets its mappings")
            network.forgetMappings(of: box, noticedWithin: some)
        case 57..<67:
            note("rank \(rank) is cut off for \(some)")
            network.hosts[rank].darkUntil = clock.now + some
            keepAway(rank, some)
        case 67..<77: freeze(rank, some)
        case 77..<86:
            guard hasBegun, let call = server.openCalls().first(where: { $0.rank == rank }) else {
                return
            }
            note("rank \(rank)'s connection to the server breaks")
            lastCut[rank] = clock.now
            if longestAway(rank) > Self.returnAllowance { mustSucceed = false }
            server.cut(call)
        case 86..<92: restartServer(some / 3)
        case 92..<96:
            guard ranks[rank].isRunning, ranks[rank].machine != nil else { return }
            mustSucceed = false
            ranks[rank].die()
        default:
            mustSucceed = false
            freeze(rank, .seconds(7))
        }
    }

    /// The server waits two seconds for a rank whose connection has broken, and five for a word of any
    /// other; less what it takes to call again, or the time between two words, a rank may not be away
    /// for longer: stopped, or cut off, or one after the other.
    private func keepAway(_ rank: Int, _ duration: Duration) {
        let until = clock.now + duration
        if let last = away[rank], clock.now < last.upperBound + .seconds(1) {
            away[rank] = last.lowerBound...max(last.upperBound, until)
        } else {
            away[rank] = clock.now...until
        }
        let isMissed = lastCut[rank].map { clock.now < $0 + .seconds(2) } ?? false
        if longestAway(rank) > (isMissed ? Self.returnAllowance : Self.silenceAllowance) {
            mustSucceed = false
        }
    }

    private static let returnAllowance = Duration.seconds(1)
    private static let silenceAllowance = Duration.milliseconds(3500)

    /// How long a rank is away at this time, or was until a moment ago.
    private func longestAway(_ rank: Int) -> Duration {
        guard let last = away[rank], clock.now < last.upperBound + .seconds(1) else { return .zero }
        return last.upperBound - last.lowerBound
    }

    private func breakSomeWire(_ rank: Int, noticedWithin limit: Duration) {
        let open = network.ends[rank].filter { $0.state == .open && !$0.isBlackHole }
        guard let end = open.randomElement(using: &random) else { return }
        outcome.breaks += 1
        note("a connection of rank \(rank) to \(end.peer ?? -1) breaks")
        network.breakWire(end, noticedWithin: limit)
    }

    private func freeze(_ rank: Int, _ duration: Duration) {
        let rank = ranks[rank]
        guard rank.isRunning, !rank.isFrozen else { return }
        note("rank \(rank.rank) is stopped for \(duration)")
        rank.frozenUntil = clock.now + duration
        keepAway(rank.rank, duration)
        clock.at(rank.frozenUntil) { rank.wake() }
    }

    private func restartServer(_ pause: Duration) {
        guard hasBegun, server.isUp else { return }
        if server.hasVerdict { causeIsForgotten = true }
        note("the server ends, and starts again after \(pause)")
        server.stop()
        clock.after(pause) { [self] in server.start() }
    }
}
