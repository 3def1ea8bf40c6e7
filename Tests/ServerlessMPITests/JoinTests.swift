import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// Joining and connecting over loopback, through a real server.
@Suite(.serialized) struct JoinTests {
    struct World: Sendable, CustomStringConvertible {
        let size: Int
        let encryption: EncryptionMode
        var description: String { "size \(size), encryption \(encryption)" }
    }

    static let worlds = [1, 2, 3, 5, 16].flatMap { size in
        [EncryptionMode.on, .none].map { World(size: size, encryption: $0) }
    }

    @Test(arguments: worlds)
    func `every rank gets one working link to every other`(_ shape: World) throws {
        let world = try JoinWorld(size: shape.size, encryption: shape.encryption)
        let outcomes = world.run()
        defer { world.end(outcomes) }
        try Self.checkMesh(outcomes, shape)
    }

    @Test func `a server on IPv6 will do`() throws {
        let shape = World(size: 3, encryption: .on)
        let world = try JoinWorld(size: shape.size, listen: "[::1]:0")
        let outcomes = world.run()
        defer { world.end(outcomes) }
        try Self.checkMesh(outcomes, shape)
    }

    /// Without neighbours everyone dials everyone by interface address, from both sides at once:
    /// dials cross, meet listeners, and find their four-tuple taken.
    @Test(
        .enabled(if: HostIdentity.addresses().contains { !$0.isLoopback }, "only loopback is up"),
        arguments: worlds)
    func `ranks that are no neighbours meet by crossing dials`(_ shape: World) throws {
        let world = try JoinWorld(size: shape.size, encryption: shape.encryption)
        let outcomes = world.run(
            (0..<shape.size).map { rank in
                var configuration = world.configuration(rank)
                configuration.hostTag = RequestID.random().bytes
                return configuration
            })
        defer { world.end(outcomes) }
        try Self.checkMesh(outcomes, shape)
        for link in outcomes.flatMap(\.links) {
            #expect(link?.path.isSameHost != true)
            // A relay may win where the machine is slow; it is on loopback.
            #expect(
                link?.path.remoteAddress.hasPrefix("127.") != true
                    || link?.path.candidate == .relayed)
        }
    }

    /// Everyone has one link to every other, and bytes go both ways.
    private static func checkMesh(_ outcomes: [JoinOutcome], _ shape: World) throws {
        for (rank, outcome) in outcomes.enumerated() {
            #expect(outcome.error == nil, "\(shape), rank \(rank)")
            #expect(outcome.control?.rank == rank)
            #expect(
                outcome.links.map { $0?.peer } == (0..<shape.size).map { $0 == rank ? nil : $0 })
        }
        for low in 0..<shape.size {
            for high in low + 1..<max(shape.size, low + 1) {
                guard let here = outcomes[low].links[high], let there = outcomes[high].links[low]
                else { continue }
                let received = Mutex<[UInt8]?>(nil)
                let other = try DedicatedThread {
                    let answer = there.exchange([UInt8(high)])
                    received.withLock { $0 = answer }
                }
                #expect(here.exchange([UInt8(low)]) == [UInt8(high)], "\(shape), \(low)-\(high)")
                other.join()
                #expect(received.withLock { $0 } == [UInt8(low)], "\(shape), \(low)-\(high)")
                let isEncrypted = shape.encryption == .on || here.path.candidate == .relayed
                #expect((here.tls != nil) == isEncrypted)
            }
        }
    }
}
