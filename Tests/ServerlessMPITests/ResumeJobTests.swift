// Whole jobs whose connections are broken again and again, through a real server, with real
// handshakes, over loopback: the program sees a delay, and a death is still a death.

import CLinux
import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Jobs whose links break", .serialized)
struct ResumeJobTests {
    private static func configurations(
        _ job: JoinWorld, isLazy: Bool = false, areNeighbours: Bool = true
    ) -> [JoinConfiguration] {
        (0..<job.url.size).map { rank in
            var configuration = job.configuration(rank)
            configuration.url.resume = .always
            configuration.url.resumeTimeout = .seconds(8)
            configuration.url.timeout = .seconds(40)
            if isLazy { configuration.url.mesh = 0 }
            if !areNeighbours { configuration.hostTag = RequestID.random().bytes }
            return configuration
        }
    }

    /// Runs `body` while a thread of rank 0's process breaks one of its own connections now and
    /// then: a reset, or an end of stream, at one end.
    private static func run(
        _ configurations: [JoinConfiguration], breakingEvery interval: Duration,
        _ body:
            @escaping @Sendable (ServerlessCommunicator, _ breaks: borrowing Atomic<Int>)
            throws -> Void
    ) -> (lines: [String?], breaks: Int) {
        let breaks = Atomic(0)
        let lines = JobTests.run(configurations) { world in
            let isOver = Atomic(false)
            let saboteur = RankThread {
                var random = Seeded(UInt64(world.rank))
                while !isOver.load(ordering: .acquiring) {
                    usleep(UInt32(interval.milliseconds * 1000))
                    let peer = Int.random(in: 0..<world.size, using: &random)
                    if world.engine.breakQuietly(peer) { breaks.add(1, ordering: .relaxed) }
                }
            }
            defer {
                isOver.store(true, ordering: .releasing)
                saboteur.join()
            }
            try body(world, breaks)
            isOver.store(true, ordering: .releasing)
            try world.barrier()
        }
        return (lines, breaks.load(ordering: .relaxed))
    }

    @Test(
        "ten thousand small sends arrive once and in order", arguments: [2, 3],
        [EncryptionMode.none, .on])
    func smallSends(size: Int, encryption: EncryptionMode) throws {
        let job = try JoinWorld(size: size, encryption: encryption)
        defer { job.server.stop() }
        let (lines, breaks) = Self.run(
            Self.configurations(job), breakingEvery: .milliseconds(50)
        ) { world, breaks in
            let next = (world.rank + 1) % size
            let previous = (world.rank + size - 1) % size
            // As many rounds as it takes: a fast machine sends ten thousand between two breaks.
            for round in 0..<100 {
                for number in round * 10_000..<(round + 1) * 10_000 {
                    try world.send(number, to: .rank(next))
                    let received = try world.recv(Int.self, from: .rank(previous))
                    if received != [number] {
                        Issue.record("rank \(world.rank): \(received) where \(number) was sent")
                        return
                    }
                }
                let count = breaks.load(ordering: .relaxed)
                if try world.allreduce(count, .min) > 3 { return }
            }
        }
        #expect(lines == Array(repeating: nil, count: size), "\(encryption)")
        #expect(breaks > 3, "\(encryption): \(breaks) breaks")
    }

    @Test(
        "a large alltoallv is whole, with links made at the start or later",
        arguments: [true, false])
    func alltoallv(isLazy: Bool) throws {
        let size = 3
        let job = try JoinWorld(size: size)
        defer { job.server.stop() }
        let (lines, breaks) = Self.run(
            Self.configurations(job, isLazy: isLazy, areNeighbours: !isLazy),
            breakingEvery: .milliseconds(100)
        ) { world, _ in
            for round in 0..<3 {
                let counts = (0..<size).map { 400_000 * ($0 + 1) }
                let mine = (0..<size).flatMap { to in
                    (0..<counts[to]).map { $0 &* 7 &+ world.rank &* 13 &+ to &+ round }
                }
                let theirs = try world.alltoallv(mine.span, counts: counts)
                let count = counts[world.rank]
                for from in 0..<size {
                    let expected = (0..<count).map { $0 &* 7 &+ from &* 13 &+ world.rank &+ round }
                    expectSame(
                        Array(theirs.elements[from * count..<(from + 1) * count]), expected,
                        "round \(round), from \(from) to \(world.rank)")
                }
            }
        }
        #expect(lines == Array(repeating: nil, count: size), "lazy \(isLazy)")
        #expect(breaks > 2, "lazy \(isLazy): \(breaks) breaks")
    }

    @Test("a link that breaks before anybody uses it is made again")
    func breakAtTheStart() throws {
        let job = try JoinWorld(size: 2)
        defer { job.server.stop() }
        let lines = JobTests.run(Self.configurations(job)) { world in
            for _ in 0..<5 {
                _ = world.engine.breakQuietly(1 - world.rank)
                let ranks = try world.allreduce(1, .sum)
                #expect(ranks == 2)
            }
            #expect((world.paths[1 - world.rank]?.connectTime ?? .seconds(9)) < .seconds(8))
        }
        #expect(lines == [nil, nil])
    }

    @Test("a rank that computes keeps its link: the peer that found it broken makes another")
    func computingRank() throws {
        let job = try JoinWorld(size: 2)
        defer { job.server.stop() }
        let lines = JobTests.run(Self.configurations(job)) { world in
            try world.barrier()
            if world.rank == 0 {
                let end = ContinuousClock.now + .seconds(3)
                while ContinuousClock.now < end {}
                let received = try world.recv(Int.self, from: 1)
                #expect(received == [5])
            } else {
                _ = world.engine.breakQuietly(0)
                try world.send(5, to: 0)
            }
            try world.barrier()
        }
        #expect(lines == [nil, nil])
    }

    @Test("a rank that dies is named by all, at once, although its links could be made again")
    func death() throws {
        let job = try JoinWorld(size: 3)
        defer { job.server.stop() }
        let start = ContinuousClock.now
        let lines = JobTests.run(Self.configurations(job)) { world in
            try world.barrier()
            if world.rank == 2 {
                throw MPIError(.programFailed, operation: "program", reason: "gone")
            }
            _ = try world.recv(Int.self, from: 2)
        }
        #expect(lines.allSatisfy { $0?.contains("gone") == true }, "\(lines)")
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("without a server the next connection is made all the same")
    func withoutServer() throws {
        let job = try JoinWorld(size: 2)
        let lines = JobTests.run(Self.configurations(job)) { world in
            try world.barrier()
            if world.rank == 0 { job.server.stop() }
            usleep(300_000)
            for _ in 0..<5 {
                _ = world.engine.breakQuietly(1 - world.rank)
                let ranks = try world.allreduce(1, .sum)
                #expect(ranks == 2)
            }
        }
        #expect(lines == [nil, nil])
    }
}

extension ResumeJobTests {
    @Test(
        "a server that is started again takes the ranks back: links are made and made again",
        arguments: [true, false])
    func restartedServer(areNeighbours: Bool) throws {
        let job = try JoinWorld(size: 3)
        let again = Mutex<RendezvousServer?>(nil)
        defer { again.withLock { $0?.stop() } }
        let configurations = Self.configurations(
            job, isLazy: true, areNeighbours: areNeighbours)
        let lines = JobTests.run(configurations) { world in
            // A chain: ranks 0 and 2 have no link.
            if world.rank < 2 { try world.send(1, to: .rank(world.rank + 1)) }
            if world.rank > 0 { _ = try world.recv(Int.self, from: .rank(world.rank - 1)) }
            if world.rank == 2 {
                job.server.stop()
                let server = try RendezvousServer.start(
                    listen: "127.0.0.1:\(job.server.port)", secret: JoinWorld.operatorSecret)
                again.withLock { $0 = server }
            }
            usleep(2_500_000)
            _ = world.engine.breakQuietly(1)
            let theirs = try world.alltoall([world.rank, world.rank, world.rank].span)
            #expect(theirs == [0, 1, 2])
            #expect(world.paths.count { $0 != nil } == 2)
        }
        #expect(lines == [nil, nil, nil], "neighbours \(areNeighbours)")
    }
}

extension ResumeJobTests {
    @Test(
        "a rank whose connection to the server breaks is taken back, and its links go on",
        arguments: [true, false])
    func brokenServerConnections(areNeighbours: Bool) throws {
        let job = try JoinWorld(size: 3)
        defer { job.server.stop() }
        let configurations = Self.configurations(
            job, isLazy: true, areNeighbours: areNeighbours)
        let lines = JobTests.run(configurations) { world in
            for round in 0..<3 {
                try world.barrier()
                if world.rank == 0 { #expect(breakConnections(to: job.server.port) >= 3) }
                usleep(400_000)
                // Links are asked for through the server, by ranks that are back.
                if round > 0 { _ = world.engine.breakQuietly((world.rank + 1) % 3) }
                let theirs = try world.alltoall([world.rank, world.rank, world.rank].span)
                #expect(theirs == [0, 1, 2])
            }
        }
        #expect(lines == [nil, nil, nil], "neighbours \(areNeighbours)")
        #expect(job.server.counters.failedJobs == 0)
    }
}

extension ResumeJobTests {
    @Test("a rank that leaves while its connection to the server is broken says bye all the same")
    func leavingUnheard() throws {
        var limits = RendezvousLimits()
        limits.returnTimeout = .milliseconds(500)
        let job = try JoinWorld(size: 2, limits: limits)
        defer { job.server.stop() }
        let outcomes = job.run(Self.configurations(job))
        #expect(breakConnections(to: job.server.port) == 2)
        outcomes[0].end()
        usleep(1_500_000)
        outcomes[1].end()
        // The server reads the last bye after the rank is gone.
        let isFinished = HostileTests.eventually { job.server.counters.finishedJobs == 1 }
        let counters = job.server.counters
        #expect(counters.failedJobs == 0 && isFinished, "\(counters)")
    }

    @Test("a server that was started again hears from the ranks who had left before")
    func departedBefore() throws {
        let job = try JoinWorld(size: 3)
        let outcomes = job.run(Self.configurations(job))
        defer { for outcome in outcomes { outcome.end() } }
        let isExcused = Mutex<Bool?>(nil)
        outcomes[0].control?.setLinkKeeper(
            LinkKeeper(
                abandon: { _, _ in },
                lose: { peer, _, hasDeparted in
                    if peer == 1 { isExcused.withLock { $0 = hasDeparted } }
                },
                check: {}, departed: { [] }))
        outcomes[2].control?.setLinkKeeper(
            LinkKeeper(
                abandon: { _, _ in }, lose: { _, _, _ in }, check: {}, departed: { [1] }))
        outcomes[1].end()
        job.server.stop()
        let server = try RendezvousServer.start(
            listen: "127.0.0.1:\(job.server.port)", secret: JoinWorld.operatorSecret)
        defer { server.stop() }
        wait { server.counters.joinedRanks == 2 }
        outcomes[0].control?.resume(1, incarnation: 0)
        wait { isExcused.withLock { $0 } != nil }
        #expect(isExcused.withLock { $0 } == true)
    }

    private func wait(_ condition: () -> Bool) {
        let end = ContinuousClock.now + .seconds(20)
        while !condition(), ContinuousClock.now < end { usleep(10_000) }
    }
}

/// Ends every connection of this process that leads to this port; their number.
private func breakConnections(to port: UInt16) -> Int {
    (3..<Int32(1024)).count { descriptor in
        Socket.remoteAddress(descriptor)?.port == port
            && shutdown(descriptor, Int32(SHUT_RDWR)) == 0
    }
}

extension Engine {
    /// Breaks the connection as a middlebox would, unless this rank is leaving. What this rank has
    /// not read stays readable; what is under way is lost.
    func breakQuietly(_ peer: Int) -> Bool {
        lock()
        defer { unlock() }
        guard !isClosed, !isLeaving, let link = links[peer], link.pointee.isAttached else {
            return false
        }
        return shutdown(link.pointee.socket, Int32(SHUT_RDWR)) == 0
    }
}
