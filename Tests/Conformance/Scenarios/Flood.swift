// Messages that nobody has asked for yet: how much memory they may take.

import Glibc
import MessagePassing

private let messageByteCount = 1000

/// Every other rank sends `count` messages to rank 0, which receives none before all are under
/// way; then it looks at its memory, and receives them as they came.
func flood(_ world: any Communicator, count: Int) throws {
    let before = try residentByteCountMax()
    let message = Values(seed: 9).elements(UInt8.self, messageByteCount, stream: world.rank)
    if world.rank > 0 {
        var sends = world.requests()
        for _ in 0..<count { try sends.isend(message.span, to: 0, tag: 1) }
        try world.send([1].span, to: 0, tag: 2)
        try sends.waitAll()
        return
    }
    for rank in 1..<world.size { _ = try world.recv(Int.self, from: .rank(rank), tag: 2) }
    let growth = try residentByteCountMax() - before
    let expected = (0..<world.size).map {
        Values(seed: 9).elements(UInt8.self, messageByteCount, stream: $0)
    }
    var received = [UInt8](repeating: 0, count: messageByteCount)
    for _ in 0..<(count * (world.size - 1)) {
        let status = try world.recv(into: received.mutableSpan, from: .any, tag: 1)
        guard let sender = status.source, received == expected[sender] else {
            throw MPIError(.programFailed, operation: "flood", reason: "other bytes")
        }
    }
    report("flood: \(count * (world.size - 1)) messages took \(growth) bytes")
}

/// The most memory this process has had so far (VmHWM).
func residentByteCountMax() throws -> Int {
    var usage = rusage()
    guard getrusage(Int32(RUSAGE_SELF.rawValue), &usage) == 0 else {
        throw MPIError(.system, operation: "flood", reason: "getrusage", underlying: errno)
    }
    return usage.ru_maxrss * 1024
}
