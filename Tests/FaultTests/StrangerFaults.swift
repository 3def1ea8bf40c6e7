// Strangers at the ports of a job: their bytes crash, stall and change nothing.

import Foundation
import Testing

extension FaultTests {
    @Suite("Strangers")
    struct StrangerFaults {
        @Test(
            "garbage at all ports, from the first rank to the end of the job, disturbs nothing",
            arguments: [false, true])
        func garbage(isEncrypted: Bool) throws {
            let what = "encryption \(isEncrypted ? "on" : "none")"
            let job = try ServerlessJob(size: 3, isEncrypted: isEncrypted)
            let suite = ["--only", "random"]
            for rank in 0..<2 { try job.start(rank: rank, suite) }
            let isListening = eventually(20) {
                job.ranks.allSatisfy { !Machine.listeningPorts(of: $0.process).isEmpty }
            }
            #expect(isListening, "\(what): ranks that wait for others do not listen")
            var strangers = Strangers(ports: job.listeningPorts)
            for _ in 0..<3 { strangers.visit() }
            try job.start(rank: 2, suite)
            while job.ranks.contains(where: { !$0.hasEnded }) {
                strangers.ports = job.listeningPorts
                strangers.visit()
                usleep(20_000)
            }
            for rank in job.ranks {
                #expect(try rank.end() == 0, "\(what): \(rank.report)")
                #expect(rank.errors.isEmpty, "\(what): \(rank.report)")
            }
            #expect(job.ranks[0].output.contains(" passed, 0 failed"), "\(what)")
            print("measured: \(strangers.count) strangers, \(what), at a job that passed")

            // The server lives, and serves the next job.
            #expect(!job.server.hasEnded, "\(what): \(job.server.report)")
            job.server.send(SIGTERM)
            #expect(try job.server.end() == 0, "\(what): \(job.server.report)")
        }

        @Test("a rank killed while strangers hold its peers' ports is named all the same")
        func lossAmongStrangers() throws {
            let job = try ServerlessJob(size: 3)
            try job.startHangingAround()
            var strangers = Strangers(ports: job.listeningPorts)
            for _ in 0..<10 { strangers.visit() }
            for rank in job.ranks { #expect(!rank.hasEnded, "\(rank.report)") }
            job.ranks[0].send(SIGKILL)
            for rank in job.ranks.dropFirst() {
                #expect(try rank.end() == 1, "\(rank.report)")
                #expect(rank.errors.contains("peerLost, rank 0"), "\(rank.report)")
            }
        }
    }
}

extension ServerlessJob {
    /// Of the server and of every rank that lives.
    var listeningPorts: Set<UInt16> {
        ranks.reduce(into: [port]) { $0.formUnion(Machine.listeningPorts(of: $1.process)) }
    }
}

/// Connections of somebody who does not belong here: noise, other protocols, and silence.
private struct Strangers: ~Copyable {
    var ports: Set<UInt16>
    private(set) var count = 0
    private var held: [Int32] = []
    private var state: UInt64 = 20_261_123

    init(ports: Set<UInt16>) { self.ports = ports }

    deinit { for socket in held { close(socket) } }

    /// One of each kind at every port; some stay, at most a hundred at once.
    mutating func visit() {
        for port in ports.sorted() {
            for bytes in messages() {
                guard let socket = Machine.connect(port) else { continue }
                count += 1
                _ = bytes.withUnsafeBytes {
                    send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                held.append(socket)
            }
        }
        while held.count > 100 { close(held.removeFirst()) }
    }

    private mutating func messages() -> [[UInt8]] {
        let clientHello: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]
        return [
            [],
            [0],
            Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8),
            Array("SSH-2.0-OpenSSH_9.2\r\n".utf8),
            noise(17),
            noise(100_000),
            clientHello,
            clientHello + noise(2000),
            [UInt8](repeating: 0xFF, count: 300),
            [UInt8](repeating: 0, count: 70_000),
        ]
    }

    private mutating func noise(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}
