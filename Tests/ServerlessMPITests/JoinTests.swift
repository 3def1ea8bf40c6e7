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
        let start = ContinuousClock.now
        let outcomes = world.run()
        print("set-up \(shape): \(ContinuousClock.now - start)")
        defer { world.end(outcomes) }
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
                #expect((here.tls != nil) == (shape.encryption == .on))
            }
        }
    }
}
