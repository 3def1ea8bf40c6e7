// Messages of more elements than 31 bits count, which MPI before version 4 cannot express in one
// call. Needs 9 GB of memory on two ranks, so it is a scenario of `make test-full` and no check.

import MessagePassing

private let count = 1 << 31 + 4099

/// The two outer ranks exchange such messages, by sendrecv and by alltoallv.
func beyondTwoGiB(_ world: any Communicator) throws {
    let peer = world.size - 1 - world.rank
    guard world.size == 2 else {
        throw MPIError.invalidArgument("beyond-2-gib", "start it with 2 ranks")
    }
    let sent = pattern(of: world.rank)
    var received = [UInt8](repeating: 0xEE, count: count)
    let status = try world.sendrecv(
        sent.span, to: .rank(peer), into: received.mutableSpan, from: .rank(peer))
    try check(status.byteCount == count && received == pattern(of: peer), "sendrecv")

    var counts = [0, 0]
    counts[peer] = count
    let parts = try world.alltoallv(sent.span, counts: counts)
    try check(parts.partition.counts == counts && parts.elements == received, "alltoallv")
    report("rank \(world.rank) received \(count) bytes twice")
}

/// No two neighbours, and no two ranks, alike.
private func pattern(of rank: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
        for index in 0..<count {
            buffer[index] = UInt8(truncatingIfNeeded: index &* 0x9E37_79B9 &>> 13 &+ rank &* 91)
        }
        initialized = count
    }
}

private func check(_ isRight: Bool, _ call: String) throws {
    guard isRight else {
        throw MPIError(.programFailed, operation: call, reason: "the bytes are others")
    }
}
