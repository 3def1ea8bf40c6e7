// Engines whose links survive: whenever one breaks, a new pair of sockets takes over, as the
// control threads would see to it. Breaking is a thread of the test.

import CLinux
import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

final class ResumeWorld: Sendable {
    private struct State {
        var engines: [Engine] = []
        /// The newest connection of each pair.
        var newest: [[Int]: Int] = [:]
        /// Pairs that need their next connection.
        var broken: [[Int]] = []
    }

    let world: EngineWorld
    private let state = Mutex(State())
    private let isOver = Atomic(false)

    init(_ world: EngineWorld) {
        var world = world
        world.isResumable = true
        self.world = world
    }

    var resumed: Int { state.withLock { $0.newest.values.reduce(0, +) } }

    /// Runs `body` on every rank while links break, one about every `interval`.
    func run(
        breakingEvery interval: Duration?, seed: UInt64 = 1,
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) throws -> [MPIError?] {
        let engines = try world.makeEngines()
        for engine in engines {
            let rank = engine.rank
            engine.resumer = { [weak self] in self?.reconnect(rank, $0, after: $1) }
        }
        state.withLock { $0.engines = engines }
        let network = RankThread { [self] in
            var random = Seeded(seed)
            var nextBreak = ContinuousClock.now + (interval ?? .seconds(1000))
            while !isOver.load(ordering: .acquiring) {
                usleep(500)
                connectBroken()
                guard let interval, ContinuousClock.now >= nextBreak else { continue }
                nextBreak = .now + interval
                let rank = Int.random(in: 0..<world.size, using: &random)
                let peer = Int.random(in: 0..<world.size, using: &random)
                if rank != peer {
                    engines[rank].breakConnection(
                        to: engines[peer], isReset: Bool.random(using: &random))
                }
            }
        }
        let errors = EngineWorld.run(engines, body)
        isOver.store(true, ordering: .releasing)
        network.join()
        state.withLock { $0.engines = [] }
        for engine in engines { engine.resumer = nil }
        return errors
    }

    /// Called with an engine's lock held: the work is done elsewhere.
    private func reconnect(_ rank: Int, _ peer: Int, after incarnation: Int) {
        let pair = [min(rank, peer), max(rank, peer)]
        state.withLock { state in
            guard state.newest[pair, default: 0] == incarnation else { return }
            state.newest[pair] = incarnation + 1
            state.broken.append(pair)
        }
    }

    private func connectBroken() {
        let (broken, newest, engines) = state.withLock { state in
            defer { state.broken = [] }
            return (state.broken, state.newest, state.engines)
        }
        for pair in broken {
            if let gone = pair.first(where: { engines[$0].hasClosed }) {
                engines[pair[0] + pair[1] - gone].linkIsLost(
                    to: gone, cause: MPIError(.peerLost, operation: "resume", reason: "left"),
                    hasDeparted: true)
                continue
            }
            do {
                for var end in try world.connectedEnds(pair[0], pair[1]) {
                    end.link.incarnation = newest[pair] ?? 0
                    engines[end.rank].handOver(end.link)
                }
            } catch {
                Issue.record(error)
            }
        }
    }
}

extension Engine {
    fileprivate var hasClosed: Bool {
        lock()
        defer { unlock() }
        return isClosed
    }

    /// Breaks the connection to a peer: by a reset, which loses what is under way in both
    /// directions and what this rank has not read, or by the end of the stream. Not if one of the
    /// two leaves: what its peer's kernel has acknowledged is safe there, and not from this.
    fileprivate func breakConnection(to other: Engine, isReset: Bool) {
        let both = [self, other].sorted { $0.rank < $1.rank }
        for engine in both { engine.lock() }
        defer { for engine in both { engine.unlock() } }
        guard !isClosed, !isLeaving, !other.isLeaving, let link = links[other.rank],
            link.pointee.isAttached
        else { return }
        if isReset {
            var nowhere = sockaddr()
            nowhere.sa_family = sa_family_t(AF_UNSPEC)
            _ = connect(link.pointee.socket, &nowhere, socklen_t(MemoryLayout<sockaddr>.size))
        } else {
            shutdown(link.pointee.socket, Int32(SHUT_RDWR))
        }
    }
}
