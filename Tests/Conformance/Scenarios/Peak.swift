// What a large exchange takes in memory beside the program's own buffers.

import MessagePassing

/// An alltoallv of `byteCount` bytes from each rank, in equal parts, twice: blocking and not. The
/// buffers are there, and every page of them touched, before the peak of memory is first read.
func exchangeAtPeak(_ world: any Communicator, byteCount: Int) throws {
    let partition = Partition(count: byteCount / world.size, parts: world.size)
    let total = partition.extent
    let sent = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: 4096)
    let received = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: 4096)
    defer {
        sent.deallocate()
        received.deallocate()
    }
    for index in stride(from: 0, to: total, by: 8) {
        sent.storeBytes(of: word(world.rank, at: index), toByteOffset: index, as: UInt64.self)
    }
    received.initializeMemory(as: UInt8.self, repeating: 0xEE)
    let before = try residentByteCountMax()
    try world.alltoallv(
        UnsafeRawBufferPointer(sent), partition, into: received, partition, elementSize: 1)
    try check(received, partition, on: world)
    received.initializeMemory(as: UInt8.self, repeating: 0xEE)
    let request = try world.start(
        .alltoallv(
            UnsafeRawBufferPointer(sent), partition, into: received, partition, elementSize: 1))
    _ = try world.wait(request)
    try check(received, partition, on: world)
    let growth = try world.allreduce(try residentByteCountMax() - before, .max)
    if world.rank == 0 { report("peak: \(total) bytes each way took \(growth) bytes more") }
}

private func word(_ rank: Int, at offset: Int) -> UInt64 {
    (UInt64(offset) ^ UInt64(rank) << 56) &* 0x9E37_79B9_7F4A_7C15
}

private func check(
    _ received: UnsafeMutableRawBufferPointer, _ partition: Partition,
    on world: any Communicator
) throws {
    for peer in 0..<world.size {
        let theirs = world.rank * partition.counts[peer]
        for index in stride(from: 0, to: partition.counts[peer], by: 8) {
            let offset = partition.offsets[peer] + index
            guard
                received.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    == word(peer, at: theirs + index)
            else {
                throw MPIError(
                    .programFailed, operation: "alltoallv",
                    reason: "byte \(index) of rank \(peer)'s part is another one")
            }
        }
    }
}
