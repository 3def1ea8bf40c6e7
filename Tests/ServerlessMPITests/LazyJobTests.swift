// Whole jobs whose ranks connect when they first need each other: through a real server, with real
// handshakes, over loopback.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Jobs with lazy links", .serialized)
struct LazyJobTests {
    /// The ranks of a job without any link at the start.
    private static func configurations(
        _ job: JoinWorld, areNeighbours: Bool = true
    ) -> [JoinConfiguration] {
        (0..<job.url.size).map { rank in
            var configuration = job.configuration(rank)
            configuration.url.mesh = 0
            configuration.url.timeout = .seconds(30)
            if !areNeighbours { configuration.hostTag = RequestID.random().bytes }
            return configuration
        }
    }

    private static func run(
        _ size: Int, _ encryption: EncryptionMode = .on, areNeighbours: Bool = true,
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) throws -> [String?] {
        let job = try JoinWorld(size: size, encryption: encryption)
        defer { job.server.stop() }
        return JobTests.run(configurations(job, areNeighbours: areNeighbours), body)
    }

    @Test(
        "ranks connect as they talk, and only then", arguments: 1...5, [EncryptionMode.none, .on])
    func talk(size: Int, encryption: EncryptionMode) throws {
        let lines = try Self.run(size, encryption) { world in
            #expect(world.setUp.paths == Array(repeating: nil, count: size))
            if world.rank == 0, size > 1 {
                try world.send(1, to: .rank(size - 1), tag: 77)
                #expect(world.paths[size - 1]?.isSameHost == true)
            }
            if world.rank == size - 1, size > 1 {
                #expect(try world.recv(Int.self, from: .any, tag: 77) == [1])
                #expect(world.paths[0]?.isSameHost == true)
            }
            try exchangeRandomly(world, seed: size, messages: 40, byteCountMax: 300_000)
            #expect(try world.allreduce(1, .sum) == size)
        }
        #expect(lines == Array(repeating: nil, count: size), "size \(size), \(encryption)")
    }

    @Test("everyone opens a link to everyone at once", arguments: [true, false])
    func everyoneAtOnce(areNeighbours: Bool) throws {
        let size = 10
        let lines = try Self.run(size, areNeighbours: areNeighbours) { world in
            for round in 0..<3 {
                let mine = (0..<size).map { world.rank * 100 + $0 + round }
                let theirs = try world.alltoall(mine.span)
                #expect(theirs == (0..<size).map { $0 * 100 + world.rank + round })
            }
            let paths = world.paths
            #expect(paths.count { $0 != nil } == size - 1)
            for case let path? in paths { #expect(path.isSameHost == areNeighbours) }
        }
        #expect(lines == Array(repeating: nil, count: size))
    }

    @Test("a rank that computes is linked to by others, and is not called lost")
    func computingRank() throws {
        let lines = try Self.run(5) { world in
            if world.rank == 0 {
                // Longer than a silent rank would be given.
                let end = ContinuousClock.now + .seconds(5)
                var state = UInt64(1)
                while ContinuousClock.now < end { state = state &* 3 &+ 1 }
                for _ in 1..<5 { #expect(try world.recv(Int.self, from: .any)[0] > 0) }
            } else {
                try world.send(world.rank, to: 0)
                // The send is done without rank 0's doing anything: its link is there.
                #expect(world.paths[0] != nil)
            }
            try world.barrier()
        }
        #expect(lines == Array(repeating: nil, count: 5))
    }

    @Test("a link may be needed long after the time for joining is over")
    func lateNeed() throws {
        let job = try JoinWorld(size: 3, joinTimeout: .seconds(2))
        defer { job.server.stop() }
        let lines = JobTests.run(Self.configurations(job)) { world in
            usleep(2_500_000)
            let ranks = try world.allreduce(1, .sum)
            #expect(ranks == 3)
        }
        #expect(lines == Array(repeating: nil, count: 3))
    }

    @Test("a message to a rank that has left names it", arguments: [true, false])
    func departed(isSender: Bool) throws {
        let lines = try Self.run(3) { world in
            if world.rank == 1 { return }
            usleep(300_000)
            if world.rank == 0, isSender {
                try world.send(1, to: 1)
            } else if world.rank == 0 {
                _ = try world.recv(Int.self, from: 1)
            } else {
                _ = try world.recv(Int.self, from: .any)
            }
        }
        #expect(lines[1] == nil)
        for rank in [0, 2] {
            #expect(
                lines[rank]?.contains("peerLost") == true
                    && lines[rank]?.contains("rank 1") == true
                    && lines[rank]?.contains("has left the job") == true,
                "rank \(rank): \(lines[rank] ?? "no error")")
        }
    }

    /// A rank that has joined, says that it is alive, and cannot be reached.
    @Test("a rank nobody can reach is named, with every address tried")
    func unreachable() throws {
        let job = try JoinWorld(size: 2, joinTimeout: .milliseconds(1500))
        defer { job.server.stop() }
        let isOver = Atomic(false)
        let heard = Mutex<[ServerMessage]>([])
        let other = RankThread {
            guard let client = try? LightClient(job.server, job.url.job) else { return }
            let closed = Candidate(kind: .host, address: SocketAddress(ip: .loopback4, port: 1))
            var request = JobTableTests.request(1, candidates: [closed])
            request.hostTag = HostIdentity.tag()
            client.send(.join(request))
            while !isOver.load(ordering: .acquiring) {
                client.send(.heartbeat)
                client.advance { message in heard.withLock { $0.append(message) } }
                usleep(20_000)
            }
            client.close()
        }
        let lines = JobTests.run([Self.configurations(job)[0]]) { try $0.send(1, to: 1) }
        isOver.store(true, ordering: .releasing)
        other.join()
        let line = lines[0] ?? "no error"
        #expect(line.contains("connectFailed") && line.contains("rank 1"), "\(line)")
        #expect(line.contains("127.0.0.1:1"), "\(line)")
        #expect(heard.withLock { $0.contains(.connect(from: 0)) }, "the peer is told to dial too")
    }

    @Test("a rank that dies before anybody dialled it is named")
    func deadBeforeDialled() throws {
        let job = try JoinWorld(size: 3)
        defer { job.server.stop() }
        let dying = RankThread {
            guard let client = try? LightClient(job.server, job.url.job) else { return }
            client.send(.join(JobTableTests.request(2, size: 3)))
            for _ in 0..<20_000 where !client.hasRoster {
                client.advance()
                usleep(1000)
            }
            client.close()
        }
        let lines = JobTests.run(Array(Self.configurations(job).prefix(2))) { world in
            usleep(300_000)
            if world.rank == 0 { try world.send(1, to: 2) }
            _ = try world.recv(Int.self, from: .any)
        }
        dying.join()
        for (rank, line) in lines.enumerated() {
            #expect(
                line?.contains("peerLost, rank 2") == true, "rank \(rank): \(line ?? "no error")")
        }
    }

    @Test("a rank's error reaches ranks that have no link to it", arguments: [2, 6])
    func failureWithoutLinks(size: Int) throws {
        struct Mishap: Error {}
        let lines = try Self.run(size) { world in
            if world.rank == 1 {
                usleep(100_000)
                throw Mishap()
            }
            _ = try world.recv(Int.self, from: .any)
        }
        for (rank, line) in lines.enumerated() {
            #expect(line?.contains("Mishap") == true, "rank \(rank): \(line ?? "no error")")
        }
    }
}
