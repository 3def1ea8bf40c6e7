// How much of a nonblocking exchange a program that computes meanwhile does not notice. A figure and
// no check: `scripts/overlap` runs it over a line of limited bandwidth.

import Glibc
import MessagePassing

/// Times an ialltoallv of `byteCount` bytes from each rank alone, the same time's worth of computing
/// alone, and both together with a `test` about every 100 µs; says which share of the exchange the
/// computing has hidden, by the slowest rank's medians.
func overlap(_ world: any Communicator, byteCount: Int) throws {
    let exchange = try Exchange(world, byteCount: byteCount)
    defer { exchange.deallocate() }
    try exchange.run { _ in }
    let rounds = 5
    let transfer = try median(rounds, on: world) { try exchange.run { _ in } }
    // All ranks do the same work, whoever measured it.
    let pieces = try world.bcast(max(1, Int(transfer / secondsOfPiece())), root: 0)
    let computing = try median(rounds, on: world) { for _ in 0..<pieces { computePiece() } }
    let both = try median(rounds, on: world) {
        try exchange.run { request in
            var isDone = false
            for _ in 0..<pieces {
                computePiece()
                if !isDone { isDone = try world.test(request) != nil }
            }
            return isDone
        }
    }
    let hidden = (transfer + computing - both) / min(transfer, computing)
    if world.rank == 0 {
        report(
            "overlap: transfer \(transfer) s, computing \(computing) s, both \(both) s: "
                + "\(Int((hidden * 100).rounded())) % hidden")
    }
}

/// An exchange that can be repeated.
private struct Exchange {
    let world: any Communicator
    let partition: Partition
    let sent: UnsafeMutableRawBufferPointer
    let received: UnsafeMutableRawBufferPointer

    init(_ world: any Communicator, byteCount: Int) throws {
        self.world = world
        // A rank sends nothing to itself.
        let share = byteCount / max(world.size - 1, 1)
        partition = Partition(
            counts: (0..<world.size).map { $0 == world.rank ? 0 : share })
        sent = .allocate(byteCount: max(partition.extent, 1), alignment: 4096)
        received = .allocate(byteCount: max(partition.extent, 1), alignment: 4096)
        sent.initializeMemory(as: UInt8.self, repeating: UInt8(world.rank))
        received.initializeMemory(as: UInt8.self, repeating: 0xEE)
    }

    func deallocate() {
        sent.deallocate()
        received.deallocate()
    }

    func run(_ meanwhile: (RequestHandle) throws -> Void) throws {
        try run { request -> Bool in
            try meanwhile(request)
            return false
        }
    }

    /// - Parameter meanwhile: true if it has seen the request done.
    func run(_ meanwhile: (RequestHandle) throws -> Bool) throws {
        let request = try world.start(
            .alltoallv(
                UnsafeRawBufferPointer(sent), partition, into: received, partition,
                elementSize: 1))
        if try !meanwhile(request) { _ = try world.wait(request) }
        for peer in 0..<world.size where partition.counts[peer] > 0 {
            guard received[partition.offsets[peer]] == UInt8(peer) else {
                throw MPIError(
                    .programFailed, operation: "overlap", reason: "rank \(peer)'s part is another")
            }
        }
    }
}

/// Sums that the compiler cannot do without.
nonisolated(unsafe) private var accumulator: UInt64 = 1

private func computePiece() {
    var value = accumulator
    for _ in 0..<50_000 { value = value &* 6_364_136_223_846_793_005 &+ 1 }
    accumulator = value
}

private func secondsOfPiece() -> Double {
    let start = ContinuousClock.now
    for _ in 0..<100 { computePiece() }
    return seconds(ContinuousClock.now - start) / 100
}

private func median(
    _ rounds: Int, on world: any Communicator, _ body: () throws -> Void
) throws -> Double {
    var times: [Double] = []
    for _ in 0..<rounds {
        try world.barrier()
        let start = ContinuousClock.now
        try body()
        times.append(try world.allreduce(seconds(ContinuousClock.now - start), .max))
    }
    return times.sorted()[rounds / 2]
}

private func seconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) + Double(attoseconds) / 1e18
}
