import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// One rank's listener and whoever comes to it, driven from one thread.
@Suite struct MeshConnectorTests {
    @Test func `recorded hellos make room for a peer that can prove itself`() throws {
        let poll = try EventPoll()
        let holder = try Socket.open(.loopback4)
        defer { close(holder) }
        Socket.sharePort(holder)
        try Socket.bind(holder, to: SocketAddress(ip: .loopback4, port: 0))
        let port = try #require(Socket.localAddress(holder)).port
        let connector = MeshConnector(poll: poll, port: port)
        defer { connector.stop() }
        // Nobody can be dialled from here: everyone has to come.
        let roster = (0..<4).map { rank in
            RosterEntry(
                hostTag: [UInt8](repeating: UInt8(rank), count: 16),
                observed: SocketAddress(ip: .loopback4, port: 1), candidates: [])
        }
        connector.start(
            PeerConnectionTests.identity(0, .none), roster: roster, roundTripTime: .zero,
            relayAddress: nil, isOnDemand: false, now: .now)
        func turn() {
            for event in poll.wait(until: .now + .milliseconds(1)) { _ = connector.handle(event) }
            connector.passTime(.now)
        }
        let member = PeerConnectionTests.identity(1, .none)
        let recorded = PeerHello(
            encryption: .none, epoch: 0, sender: 1, receiver: 0, jobTag: member.jobTag,
            nonce: Array(0..<16)
        ).encoded(key: member.keys(with: 0).hello)
        var attackers: [Int32] = []
        defer { for socket in attackers { close(socket) } }
        for _ in 0..<100 {
            let socket = try HostileTests.stranger(port)
            attackers.append(socket)
            HostileTests.send(recorded, socket)
            turn()
        }
        for _ in 0..<20 { turn() }
        #expect(connector.refusedCount > 0, "there is a bound")
        let honest = PeerConnectionTests.End(
            dialled: try HostileTests.stranger(port), member, to: 0)
        for _ in 0..<2000 where !honest.isDone && honest.failure == nil {
            honest.step()
            turn()
        }
        #expect(honest.isDone, "\(String(describing: honest.failure))")
    }
}
