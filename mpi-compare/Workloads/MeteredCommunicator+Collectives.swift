// The collectives of the measuring communicator: forwarded whole, each with the payload it moves.
import MessagePassing

extension MeteredCommunicator {
    private var others: Int { size - 1 }

    /// Elements of `partition` that are not this rank's own part.
    private func foreign(_ partition: Partition) -> Int {
        guard partition.counts.indices.contains(rank) else { return 0 }
        return partition.counts.reduce(0, +) - partition.counts[rank]
    }

    func barrier() throws(MPIError) {
        try meter.time { () throws(MPIError) in try base.barrier() }
    }

    func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        if rank == root { meter.count(bytes: buffer.count * others) }
        try meter.time { () throws(MPIError) in try base.bcast(buffer, root: root) }
    }

    func gather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        if rank != root { meter.count(bytes: part.count) }
        try meter.time { () throws(MPIError) in try base.gather(part, into: whole, root: root) }
    }

    func gatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int, root: Int
    ) throws(MPIError) {
        if rank != root { meter.count(bytes: part.count) }
        try meter.time { () throws(MPIError) in
            try base.gatherv(
                part, into: whole, partition: partition, elementSize: elementSize, root: root)
        }
    }

    func scatter(
        _ whole: UnsafeRawBufferPointer, into part: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        if rank == root { meter.count(bytes: part.count * others) }
        try meter.time { () throws(MPIError) in try base.scatter(whole, into: part, root: root) }
    }

    func scatterv(
        _ whole: UnsafeRawBufferPointer, partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        if rank == root { meter.count(bytes: foreign(partition) * elementSize) }
        try meter.time { () throws(MPIError) in
            try base.scatterv(
                whole, partition: partition, into: part, elementSize: elementSize, root: root)
        }
    }

    func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        meter.count(bytes: part.count * others)
        try meter.time { () throws(MPIError) in try base.allgather(part, into: whole) }
    }

    func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        meter.count(bytes: part.count * others)
        try meter.time { () throws(MPIError) in
            try base.allgatherv(
                part, into: whole, partition: partition, elementSize: elementSize)
        }
    }

    func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        meter.count(bytes: send.count / size * others)
        try meter.time { () throws(MPIError) in try base.alltoall(send, into: recv) }
    }

    func alltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int
    ) throws(MPIError) {
        meter.count(bytes: foreign(sendPartition) * elementSize)
        try meter.time { () throws(MPIError) in
            try base.alltoallv(
                send, sendPartition, into: recv, recvPartition, elementSize: elementSize)
        }
    }

    func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        if rank != root { meter.count(bytes: send.count) }
        try meter.time { () throws(MPIError) in
            try base.reduce(send, into: result, reduction, root: root)
        }
    }

    func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        meter.count(bytes: size > 1 ? send.count : 0)
        try meter.time { () throws(MPIError) in
            try base.allreduce(send, into: result, reduction)
        }
    }

    func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        if rank < others { meter.count(bytes: send.count) }
        try meter.time { () throws(MPIError) in try base.scan(send, into: result, reduction) }
    }

    func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        if rank < others { meter.count(bytes: send.count) }
        try meter.time { () throws(MPIError) in try base.exscan(send, into: result, reduction) }
    }
}
