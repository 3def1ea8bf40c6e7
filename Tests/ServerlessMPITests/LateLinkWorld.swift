// A job whose engines begin without links: a connector of the test's own makes each pair when one
// side asks, hands the two ends over in any order and at any time, or refuses.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

final class LateLinkWorld: Sendable {
    private struct State {
        var engines: [Engine?]
        /// Pairs that exist, or are being made.
        var pairs: Set<[Int]> = []
        /// How often each rank asked for each other.
        var demands: [[Int]: Int] = [:]
        var threads: [RankThread] = []
    }

    let world: EngineWorld
    /// Before the end of that rank is handed over.
    let delay: @Sendable (_ rank: Int) -> Duration
    private let state: Mutex<State>

    init(
        _ world: EngineWorld,
        delay: @escaping @Sendable (_ rank: Int) -> Duration = { _ in .zero }
    ) {
        self.world = world
        self.delay = delay
        state = Mutex(State(engines: Array(repeating: nil, count: world.size)))
    }

    func makeEngines() throws -> [Engine] {
        let engines = try (0..<world.size).map { rank in
            try Engine(
                rank: rank, links: Array(repeating: nil, count: world.size),
                settings: world.settings, ranksOnHost: world.size,
                connector: { [weak self] peer in self?.connect(rank, peer) })
        }
        state.withLock { $0.engines = engines }
        return engines
    }

    /// Called with the engine's lock held: the work is done elsewhere.
    private func connect(_ rank: Int, _ peer: Int) {
        let isNew = state.withLock { state in
            state.demands[[rank, peer], default: 0] += 1
            return state.pairs.insert([min(rank, peer), max(rank, peer)]).inserted
        }
        guard isNew else { return }
        let thread = RankThread { [self] in
            do {
                let ends = try world.connectedEnds(min(rank, peer), max(rank, peer))
                for end in ends.sorted(by: { delay($0.rank) < delay($1.rank) }) {
                    usleep(UInt32(delay(end.rank).milliseconds * 1000))
                    state.withLock { $0.engines[end.rank] }?.handOver(end.link)
                }
            } catch {
                Issue.record(error)
            }
        }
        state.withLock { $0.threads.append(thread) }
    }

    /// The most often that one rank asked for one other; 0 if none ever did.
    var mostDemands: Int { state.withLock { $0.demands.values.max() ?? 0 } }
    var pairCount: Int { state.withLock { $0.pairs.count } }

    func run(
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) throws -> [MPIError?] {
        let errors = EngineWorld.run(try makeEngines(), body)
        for thread in state.withLock({ $0.threads }) { thread.join() }
        // The connectors refer to this object, and it to the engines.
        state.withLock { $0.engines = [] }
        return errors
    }

    func check(
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for (rank, error) in try run(body).enumerated() {
            if let error { Issue.record("rank \(rank): \(error)", sourceLocation: sourceLocation) }
        }
    }
}
