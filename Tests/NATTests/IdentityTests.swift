// A laboratory's name, and the queue of its delay line.
import Foundation
import Testing

@testable import Lab

@Suite("A laboratory's name")
struct IdentityTests {
    @Test("it says who built it, and this process lives")
    func own() throws {
        let identity = LabIdentity.next()
        #expect(identity.isAlive)
        #expect(LabIdentity.next() != identity)
        let read = try #require(LabIdentity(namespace: "smpi-\(identity)-rank-0"))
        #expect(read == identity)
        #expect(read.process == getpid())
    }

    @Test("the same number at another time is another process")
    func reused() {
        let identity = LabIdentity.next()
        #expect(
            !LabIdentity(
                process: identity.process, startTime: identity.startTime + 1, number: 0
            ).isAlive)
    }

    @Test("no name of anything else is taken for a laboratory's")
    func strangers() {
        for name in [
            "", "smpi", "smpi-", "smpi-1t2n3", "smpi-1t2-x", "smpi-t2n3-x", "smpi-1tn3-x",
            "smpi-1t2n-x", "smpi-1t2n3n4-x", "smpi-at2n3-x", "xsmpi-1t2n3-x", "smpi--x",
            "smpi-99999999999999999999t2n3-x",
        ] { #expect(LabIdentity(namespace: name) == nil, "\(name)") }
    }

    @Test("mutated names are refused or read, without a trap", arguments: [UInt64(1), 2, 3])
    func mutated(seed: UInt64) {
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<2000 {
            var bytes = Array("smpi-1234t567890n12-core".utf8)
            for _ in 0...random(3) { bytes[random(bytes.count)] = UInt8(random(256)) }
            bytes.removeLast(random(bytes.count))
            let name = String(decoding: bytes, as: UTF8.self)
            if let identity = LabIdentity(namespace: name) {
                #expect(name.hasPrefix("smpi-") && identity.number >= Int.min)
            }
        }
    }
}

@Suite("The delay line's queue")
struct DelayQueueTests {
    private func add(_ text: String, at now: UInt64, to queue: inout DelayQueue) {
        Array(text.utf8).withUnsafeBytes { queue.add($0, now: now) }
    }

    @Test("packets leave in order, each after the delay and not before")
    func order() {
        var queue = DelayQueue(delay: .microseconds(5))
        #expect(queue.nextDue == nil)
        add("one", at: 1000, to: &queue)
        add("two", at: 2000, to: &queue)
        #expect(queue.nextDue == 6000)
        #expect(queue.take(now: 5999) == nil)
        #expect(queue.take(now: 6000) == Array("one".utf8))
        #expect(queue.take(now: 6999) == nil)
        #expect(queue.take(now: 9000) == Array("two".utf8))
        #expect(queue.take(now: 9000) == nil)
        #expect(queue.nextDue == nil)
    }

    @Test("more than a router's buffer is dropped, and room comes back")
    func bound() {
        var queue = DelayQueue(delay: .seconds(1))
        let packet = [UInt8](repeating: 7, count: 1 << 20)
        let limit = DelayQueue.byteCountMax / packet.count
        for _ in 0..<(limit + 10) { packet.withUnsafeBytes { queue.add($0, now: 0) } }
        var taken = 0
        while queue.take(now: 2_000_000_000) != nil { taken += 1 }
        #expect(taken == limit)
        add("again", at: 0, to: &queue)
        #expect(queue.take(now: 2_000_000_000) == Array("again".utf8))
    }

    @Test("a long stream stays in order")
    func stream() {
        var queue = DelayQueue(delay: .nanoseconds(100))
        var next = 0
        for number in 0..<20_000 {
            add("\(number)", at: UInt64(number), to: &queue)
            while let packet = queue.take(now: UInt64(number)) {
                #expect(packet == Array("\(next)".utf8))
                next += 1
            }
        }
        #expect(next == 20_000 - 100)
    }
}
