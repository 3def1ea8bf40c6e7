import CLinux
import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// The last words on links that survive their connections: who may leave when, and what a
/// connection's end means once the peer has said bye.
@Suite struct ByeTests {
    /// Two engines and their links to each other; the second one's wishes for a connection are
    /// counted.
    private struct Pair {
        let world: EngineWorld
        let engines: [Engine]
        let links: [LinkPointer]
        let wishes = Wishes()

        init(isEncrypted: Bool = false, candidate: CandidateKind = .host) throws {
            var world = EngineWorld(size: 2, isEncrypted: isEncrypted)
            world.isResumable = true
            world.candidate = candidate
            self.world = world
            engines = try world.makeEngines()
            links = try [#require(engines[0].links[1]), #require(engines[1].links[0])]
            engines[1].resumer = { [wishes] _, _ in wishes.count() }
        }

        func locked(_ rank: Int, _ body: (Engine, LinkPointer) -> Void) {
            engines[rank].lock()
            body(engines[rank], links[rank])
            engines[rank].unlock()
        }

        func sayBye(_ rank: Int) {
            locked(rank) { engine, link in
                engine.isLeaving = true
                engine.sayBye(link)
            }
        }

        /// Rank 0 has said bye, rank 1 has heard it, and rank 0 has read the answer.
        func farewell() {
            sayBye(0)
            #expect(move { engines[1].departedPeers == [0] && links[0].pointee.queue.isEmpty })
        }

        func connectAgain() throws {
            for var end in try world.connectedEnds(0, 1) {
                end.link.incarnation = 1
                engines[end.rank].handOver(end.link)
            }
        }

        /// Lets both make progress until it has happened.
        func move(until hasHappened: () -> Bool) -> Bool {
            for _ in 0..<2000 {
                for engine in engines where !engine.isClosed {
                    engine.lock()
                    _ = engine.progress(lookingAt: -1, everywhere: true)
                    engine.unlock()
                }
                if hasHappened() { return true }
                usleep(1000)
            }
            return false
        }

        func close() { for engine in engines { engine.closeLinks() } }
    }

    private final class Wishes: Sendable {
        private let counter = Atomic(0)
        func count() { counter.wrappingAdd(1, ordering: .relaxed) }
        var number: Int { counter.load(ordering: .relaxed) }
    }

    @Test(
        "a bye is answered, also after one's own, and the answer waited for",
        arguments: [CandidateKind.host, .relayed], [false, true])
    func answer(candidate: CandidateKind, isEncrypted: Bool) throws {
        let pair = try Pair(isEncrypted: isEncrypted, candidate: candidate)
        defer { pair.close() }
        pair.farewell()
        pair.sayBye(1)
        #expect(Engine.awaitsAcknowledgement(pair.links[1]), "its own bye may not have come")
        #expect(pair.move { pair.links.allSatisfy { Engine.isEnded($0) } })
        #expect(pair.links.allSatisfy { $0.pointee.queue.isEmpty && $0.pointee.isReadClosed })
    }

    @Test(
        "a peer whose bye has come, and which does not know, hears so over the next connection",
        arguments: [false, true])
    func nextConnection(isEncrypted: Bool) throws {
        let pair = try Pair(isEncrypted: isEncrypted)
        defer { pair.close() }
        pair.sayBye(0)
        #expect(pair.move { pair.engines[1].departedPeers == [0] })
        pair.locked(0) { engine, link in engine.cut(link) }
        #expect(!pair.links[0].pointee.queue.isEmpty, "the answer is lost with the connection")
        try pair.connectAgain()
        #expect(pair.move { pair.links[0].pointee.queue.isEmpty })
        // The other direction goes on, too.
        pair.sayBye(1)
        #expect(pair.move { pair.engines[0].departedPeers == [1] })
    }

    @Test(
        "a connection that breaks between two byes is missed only when the second is said",
        arguments: [false, true])
    func breakBetween(isEncrypted: Bool) throws {
        let pair = try Pair(isEncrypted: isEncrypted)
        defer { pair.close() }
        pair.farewell()
        // A reset, as from a NAT: not the peer's own end.
        pair.locked(0) { engine, link in engine.cut(link) }
        #expect(pair.move { !pair.links[1].pointee.isAttached })
        #expect(pair.wishes.number == 0, "nobody needs it yet")
        pair.sayBye(1)
        #expect(pair.wishes.number == 1 && Engine.awaitsConnection(pair.links[1]))
        try pair.connectAgain()
        #expect(pair.move { pair.links.allSatisfy { Engine.isEnded($0) } })
        #expect(pair.engines[0].departedPeers == [1])
    }

    @Test(
        "who closes in order after a bye is gone, and not looked for", arguments: [false, true],
        ["reads first", "writes first"])
    func orderlyEnd(isEncrypted: Bool, order: String) throws {
        let pair = try Pair(isEncrypted: isEncrypted)
        defer { pair.close() }
        pair.farewell()
        pair.engines[0].closeLinks()
        if order == "reads first" { #expect(pair.move { pair.links[1].pointee.isGone }) }
        pair.sayBye(1)
        #expect(pair.move { Engine.isEnded(pair.links[1]) && Engine.isDelivered(pair.links[1]) })
        #expect(pair.wishes.number == 0 && pair.links[1].pointee.isGone)
    }

    @Test("a send that nobody waited for is not made after the bye")
    func lateReceive() throws {
        let pair = try Pair()
        defer { pair.close() }
        let payload = [UInt8](repeating: 7, count: 1 << 20)
        try payload.withUnsafeBytes { payload in
            _ = try pair.engines[0].isend(
                payload, in: pair.engines[0].world, to: 1, tag: 3, call: 0, isSynchronous: false)
        }
        pair.farewell()
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 8)
        defer { room.deallocate() }
        _ = try pair.engines[1].irecv(
            into: room, in: pair.engines[1].world, from: .rank(0), tag: 3, call: 0)
        for _ in 0..<100 { _ = pair.move { true } }
        #expect(pair.engines.allSatisfy { $0.failure == nil && !$0.state.pointee.isTroubled })
    }

    @Test("a moment's lingering begins anew while a connection is in the making, up to a limit")
    func lingering() throws {
        let pair = try Pair()
        defer { pair.close() }
        let start = ContinuousClock.now
        var lingering = Engine.Lingering(start, .seconds(2))
        func isOver(after seconds: Int) -> Bool {
            lingering.isOver([nil, pair.links[0]], start + .seconds(seconds))
        }
        #expect(!isOver(after: 1), "the peer may say bye")
        #expect(isOver(after: 2))
        pair.sayBye(1)
        #expect(pair.move { pair.engines[0].departedPeers == [1] })
        pair.sayBye(0)
        pair.locked(0) { engine, link in engine.cut(link) }
        #expect(Engine.awaitsConnection(pair.links[0]))
        #expect(!isOver(after: 2))
        #expect(lingering.deadline == start + .seconds(4), "also after the connection has come")
        #expect(!isOver(after: 14))
        #expect(isOver(after: 16))
    }

    @Test("who is known to have left needs no bye, however alive its connection looks")
    func knownDeparture() throws {
        let pair = try Pair()
        defer { pair.close() }
        pair.farewell()
        pair.engines[1].linkIsLost(
            to: 0, cause: MPIError(.peerLost, operation: "resume", reason: "for the test"),
            hasDeparted: true)
        pair.sayBye(1)
        #expect(Engine.isEnded(pair.links[1]) && Engine.isDelivered(pair.links[1]))
        #expect(pair.engines[1].failure == nil && pair.wishes.number == 0)
    }

    @Test(
        "a failure after a bye is heard, by who stays and by who has said it", arguments: 0...1,
        [CandidateKind.host, .relayed])
    func failure(failing: Int, candidate: CandidateKind) throws {
        let pair = try Pair(candidate: candidate)
        defer { pair.close() }
        pair.farewell()
        let cause = MPIError(.aborted, operation: "leave", reason: "for the test")
        pair.engines[failing].jobFailed(cause)
        let other = pair.engines[1 - failing]
        #expect(pair.move { other.failure != nil })
        #expect(other.failure == cause)
    }
}
