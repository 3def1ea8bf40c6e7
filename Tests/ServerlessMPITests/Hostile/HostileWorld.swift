// What every row of the hostile table stands on: a real server that logs, a real job of three
// ranks that exchanges checked data until it is told to end, and an attacker's means.

import CLinux
import Glibc
import Logging
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

final class HostileWorld: Sendable {
    struct Unrefused: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    static let size = 3

    let world: JoinWorld
    let log = LogBook()
    private struct State {
        var rounds = 0
        var ports = [UInt16](repeating: 0, count: HostileWorld.size)
        var failures: [String] = []
        var job: RankThread?
    }
    private let state = Mutex(State())
    private let mustEnd = Atomic(false)

    var server: RendezvousServer { world.server }
    var counters: RendezvousCounters { server.counters }
    var rounds: Int { state.withLock { $0.rounds } }
    /// The ports at which the job's ranks listen.
    var ports: [UInt16] { state.withLock { $0.ports } }

    init() throws {
        var limits = RendezvousLimits()
        limits.handshakeTimeout = .milliseconds(700)
        limits.observerTimeout = .milliseconds(500)
        limits.jobs = 20
        limits.ranksPerJob = 64
        limits.relayedPairsPerJob = 8
        limits.unclaimedObservations = 500
        var joined = try JoinWorld(
            size: Self.size, job: "victim", limits: limits, logger: log.logger)
        // Links that survive have more to lose to a stranger.
        joined.url.resume = .always
        world = joined
        let job = RankThread { [self] in
            let configurations = (0..<Self.size).map { world.configuration($0) }
            let outcomes = runRanks(of: configurations) { [self] in try exchange($0) }
            for case .failure(let failure) in outcomes {
                state.withLock { $0.failures.append("\(failure)") }
            }
        }
        state.withLock { $0.job = job }
        guard advances(beyond: 0) else { throw Unrefused("the job does not begin: \(finish())") }
    }

    /// Rounds of messages of all kinds, each checked, until rank 0 says that it is enough.
    private func exchange(_ world: any ServerlessWorld) throws {
        let size = world.size
        let next = (world.rank + 1) % size
        let previous = (world.rank + size - 1) % size
        let address = world.paths[next]?.localAddress ?? ""
        state.withLock {
            $0.ports[world.rank] = UInt16(address.split(separator: ":").last ?? "") ?? 0
        }
        var isLast = false
        var round = 0
        while !isLast {
            let length = round % 8 == 0 ? 400_000 : round * 37 % 5000
            let mine = pattern(length, from: world.rank, number: round)
            var theirs = [UInt8](repeating: 0, count: length)
            _ = try world.sendrecv(
                mine.span, to: .rank(next), into: theirs.mutableSpan, from: .rank(previous))
            guard theirs == pattern(length, from: previous, number: round) else {
                throw Unrefused("round \(round): wrong bytes from rank \(previous)")
            }
            let sum = try world.allreduce(round * 10 + world.rank, .sum)
            guard sum == 30 * round + 3 else { throw Unrefused("round \(round): sum \(sum)") }
            let wantsEnd = mustEnd.load(ordering: .acquiring) ? 1 : 0
            isLast = try world.allreduce(world.rank == 0 ? wantsEnd : 0, .max) == 1
            if world.rank == 0 { state.withLock { $0.rounds = round + 1 } }
            round += 1
            usleep(2000)
        }
    }

    /// Does the job come further, within ten seconds?
    func advances(beyond rounds: Int) -> Bool {
        HostileTests.eventually { self.rounds > rounds }
            || HostileTests.eventually { self.rounds > rounds }
    }

    /// Ends the job in order. What went wrong in it.
    func finish() -> [String] {
        mustEnd.store(true, ordering: .releasing)
        let job = state.withLock { state in
            defer { state.job = nil }
            return state.job
        }
        job?.join()
        return state.withLock { $0.failures }
    }

    func end() {
        _ = finish()
        server.stop()
    }
}

// MARK: Means of attack

extension HostileWorld {
    /// A blocking-looking socket to a port of this host.
    func connect(_ port: UInt16) throws -> Int32 { try HostileTests.stranger(port) }

    var serverPort: UInt16 { server.port }
    var observerPort: UInt16 { server.observerPort }

    /// Writes all of it, as long as anybody takes it, for at most two seconds.
    @discardableResult
    func write(_ bytes: [UInt8], _ socket: Int32) -> Int {
        var sent = 0
        for _ in 0..<2000 where sent < bytes.count {
            switch bytes[sent...].withUnsafeBytes({ Socket.write(socket, $0) }) {
            case .bytes(let count): sent += count
            case .wouldBlock: usleep(1000)
            case .endOfStream, .failed: return sent
            }
        }
        return sent
    }

    /// Waits until the other end has closed; throws if it has not within `seconds`.
    @discardableResult
    func expectClosed(_ socket: Int32, within seconds: Double = 3) throws -> Duration {
        let start = ContinuousClock.now
        var buffer = [UInt8](repeating: 0, count: 4096)
        while ContinuousClock.now - start < .seconds(seconds) {
            switch buffer.withUnsafeMutableBytes({ Socket.read(socket, $0) }) {
            case .endOfStream, .failed: return ContinuousClock.now - start
            case .bytes: continue
            case .wouldBlock: usleep(1000)
            }
        }
        throw Unrefused("the connection is still open after \(seconds) s")
    }

    /// Sends bytes to a port, which must then be closed by the other end.
    func refused(_ port: UInt16, _ bytes: [UInt8], ending: Bool = false) throws {
        let socket = try connect(port)
        defer { close(socket) }
        write(bytes, socket)
        if ending { shutdown(socket, Int32(SHUT_WR)) }
        try expectClosed(socket)
    }

    /// How much a counter grows by what `body` does, waited for.
    func counted(
        _ what: String, _ counter: KeyPath<RendezvousCounters, Int>, atLeast count: Int = 1,
        _ body: () throws -> Void
    ) throws -> String {
        let before = counters[keyPath: counter]
        try body()
        guard HostileTests.eventually({ self.counters[keyPath: counter] - before >= count }) else {
            throw Unrefused("\(what) is not counted: \(counters[keyPath: counter] - before)")
        }
        return "\(what), counted \(counters[keyPath: counter] - before)"
    }

    func joinRequest(
        rank: Int?, epoch: UInt64 = 0, size: Int = HostileWorld.size,
        encryption: EncryptionMode = .on, ticket: [UInt8] = []
    ) -> JoinRequest {
        JoinRequest(
            encryption: encryption, epoch: epoch, size: size, rank: rank,
            joinTimeout: .seconds(20), requestID: .random(), hostTag: HostIdentity.tag(),
            candidates: [], ticket: ticket)
    }
}

/// What the server logs, at every level.
final class LogBook: Sendable {
    private let lines = Mutex<[String]>([])
    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    var logger: Logger {
        var logger = Logger(label: "test") { [self] _ in Handler(book: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            book.lines.withLock {
                $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])")
            }
        }
    }
}
