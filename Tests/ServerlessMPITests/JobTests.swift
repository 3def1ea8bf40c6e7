// Whole jobs: ranks that join through a server, talk, and end together, well or badly.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite("Jobs", .serialized)
struct JobTests {
    /// Runs `body` on every rank of a job; what each rank would print if it failed.
    private func run(
        _ size: Int, _ encryption: EncryptionMode,
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) throws -> [String?] {
        let job = try JoinWorld(size: size, encryption: encryption)
        defer { job.server.stop() }
        return Self.run((0..<size).map { job.configuration($0) }, body)
    }

    /// The same for ranks configured by the caller, all of the job or some.
    static func run(
        _ configurations: [JoinConfiguration],
        _ body: @escaping @Sendable (ServerlessCommunicator) throws -> Void
    ) -> [String?] {
        let lines = Mutex([String?](repeating: nil, count: configurations.count))
        let threads = configurations.indices.map { rank in
            RankThread {
                let line = perform(body, configurations[rank])
                lines.withLock { $0[rank] = line }
            }
        }
        for thread in threads { thread.join() }
        return lines.withLock { $0 }
    }

    private static func perform(
        _ body: (ServerlessCommunicator) throws -> Void, _ configuration: JoinConfiguration
    ) -> String? {
        do {
            let membership = try Membership(configuration)
            do {
                try body(membership.world)
                try membership.end()
                return nil
            } catch {
                let line = membership.fail(error).description
                membership.control?.leave(deadline: .now + .seconds(2))
                membership.world.engine.closeLinks()
                return line
            }
        } catch {
            return "could not join: \(error)"
        }
    }

    @Test("ranks join, talk, leave", arguments: 1...4, [EncryptionMode.none, .on])
    func talk(size: Int, encryption: EncryptionMode) throws {
        let lines = try run(size, encryption) { world in
            #expect(world.size == size && world.setUp.encryption == encryption)
            #expect(world.setUp.paths.count { $0 != nil } == size - 1)
            for count in [1, 10_000, 300_000] {
                let mine = [Int](repeating: world.rank + 1, count: count)
                let sums = try world.allreduce(mine.span, .sum)
                #expect(sums.allSatisfy { $0 == size * (size + 1) / 2 })
            }
        }
        #expect(lines == Array(repeating: nil, count: size), "size \(size), \(encryption)")
    }

    @Test("one rank's error ends all, and only that rank calls it its own", arguments: 2...4)
    func failure(size: Int) throws {
        struct Mishap: Error {}
        let lines = try run(size, .on) { world in
            try world.barrier()
            if world.rank == 1 { throw Mishap() }
            _ = try world.recv(Int.self, from: .any)
        }
        for (rank, line) in lines.enumerated() {
            #expect(
                rank == 1
                    ? line == "Mishap()"
                    : line?.hasPrefix("stopped") ?? false && line?.contains("Mishap") ?? false,
                "size \(size), rank \(rank): \(line ?? "no error")")
        }
    }

    @Test("a rank that vanishes fails all others with one cause", arguments: [3, 4])
    func vanishing(size: Int) throws {
        let lines = try run(size, .none) { world in
            // All have joined; a rank still joining would say so beside the cause.
            try world.barrier()
            if world.rank == 0 {
                for case let link? in world.engine.links { shutdown(link.pointee.socket, 2) }
            }
            _ = try world.recv(Int.self, from: .rank(world.rank == 0 ? 1 : 0))
        }
        let causes = Set(lines.map { $0?.replacing("stopped, as the job failed: ", with: "") })
        #expect(
            causes.count == 1 && lines.allSatisfy { $0?.contains("peerLost") ?? false },
            "size \(size): \(lines)")
    }

    @Test("a world without a server has one rank")
    func alone() throws {
        let membership = try Membership(nil)
        #expect(membership.world.size == 1 && membership.world.rank == 0)
        #expect(try membership.world.allreduce(3, .sum) == 3)
        try membership.world.send(7, to: 0)
        #expect(try membership.world.recv(Int.self, from: 0) == [7])
        try membership.end()
    }
}
