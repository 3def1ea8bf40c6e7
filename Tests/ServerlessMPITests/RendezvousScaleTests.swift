import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// One server, many ranks and jobs, driven by hand from one thread.
@Suite(.serialized) struct RendezvousScaleTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let jobs: Int
        let ranks: Int
        var testDescription: String { "\(jobs) jobs of \(ranks) ranks" }
    }

    @Test(arguments: [Shape(jobs: 1, ranks: 150), Shape(jobs: 50, ranks: 3)])
    func `each rank hears two messages however many there are`(_ shape: Shape) throws {
        let server = try RendezvousServer.start(secret: JoinWorld.operatorSecret)
        defer { server.stop() }
        let ip = try #require(IPAddress(numeric: server.host))
        var streams: [MessageStream] = []
        for job in 0..<shape.jobs {
            let key = server.mintTokens(job: "job-\(job)").serverKey
            for rank in 0..<shape.ranks {
                let socket = try Socket.open(ip)
                _ = try Socket.connect(socket, to: SocketAddress(ip: ip, port: server.port))
                let stream = try MessageStream(
                    descriptor: socket, role: .client,
                    credentials: PSKCredentials(
                        identity: ServerKeys.identity(job: "job-\(job)"), key: key),
                    maximumMessageByteCount: ServerMessage.maximumByteCount,
                    maximumOutputByteCount: 1 << 20)
                _ = stream.send(
                    ClientMessage.join(
                        JobTableTests.request(rank, size: shape.ranks, host: UInt8(rank % 7))
                    ).encoded)
                streams.append(stream)
            }
        }
        defer { for stream in streams { stream.close() } }
        var counts = [Int](repeating: 0, count: streams.count)
        var rosters = 0
        for _ in 0..<20_000 where rosters < streams.count {
            for (index, stream) in streams.enumerated() {
                _ = stream.advance { bytes in
                    counts[index] += 1
                    if case .roster(let roster)? = try? ServerMessage(decoding: bytes),
                        roster.count == shape.ranks
                    {
                        rosters += 1
                    }
                }
            }
            usleep(1000)
        }
        #expect(rosters == streams.count)
        #expect(counts.allSatisfy { $0 == 2 })
        #expect(server.counters.activeJobs == shape.jobs)
    }
}
