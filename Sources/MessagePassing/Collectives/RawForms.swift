// Collectives on bytes, with explicit places (MPI's displacements): what typed calls are made of, and
// for code that has no element type. Blocking and collective, all of them; the nonblocking forms are
// `start` with the same arguments.

extension Communicator {
    /// No rank returns before every rank has called it.
    public func barrier() throws(MPIError) { try run(.barrier) }

    /// `buffer` has the same length on all ranks.
    public func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        try run(.bcast(buffer, root: root))
    }

    /// `part` has the same length on all ranks; `whole`, size times that, counts at the root only.
    public func gather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try run(.gather(part, into: whole, root: root))
    }

    /// `part` of rank r is partition[r] elements long; `whole` and `partition` count at the root
    /// only.
    public func gatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int, root: Int
    ) throws(MPIError) {
        try run(
            .gatherv(
                part, into: whole, partition: partition, elementSize: elementSize, root: root))
    }

    /// `whole`, size × `part` bytes, counts at the root only.
    public func scatter(
        _ whole: UnsafeRawBufferPointer, into part: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try run(.scatter(whole, into: part, root: root))
    }

    /// `part` of rank r is partition[r] elements long; `whole` and `partition` count at the root
    /// only.
    public func scatterv(
        _ whole: UnsafeRawBufferPointer, partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        try run(
            .scatterv(
                whole, partition: partition, into: part, elementSize: elementSize, root: root))
    }

    /// `whole` holds `size` parts. `part` may lie in its place there already (MPI_IN_PLACE).
    public func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        try run(.allgather(part, into: whole))
    }

    /// `partition` is the same on all ranks; `part` is partition[rank] elements long.
    public func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        try run(
            .allgatherv(part, into: whole, partition: partition, elementSize: elementSize))
    }

    /// Both buffers hold `size` parts of equal length.
    public func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        try run(.alltoall(send, into: recv))
    }

    /// Part r of `send` goes to rank r; part r of `recv` comes from rank r.
    public func alltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int
    ) throws(MPIError) {
        try run(
            .alltoallv(
                send, sendPartition, into: recv, recvPartition, elementSize: elementSize))
    }

    /// `send` and `result` may be the same memory in every reduction (MPI_IN_PLACE). `result`
    /// counts at the root only.
    public func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        try run(.reduce(send, into: result, reduction, root: root))
    }

    /// Both buffers have the same length on all ranks.
    public func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try run(.allreduce(send, into: result, reduction))
    }

    /// `send` is divided by `partition`, which is the same on all ranks; this rank's part of the
    /// combination is written to `result`, partition[rank] elements long.
    public func reduceScatter(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        partition: Partition, _ reduction: RawReduction
    ) throws(MPIError) {
        try run(.reduceScatter(send, into: result, partition: partition, reduction))
    }

    /// Inclusive prefix reduction: rank r gets the combination of ranks 0 ... r.
    public func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try run(.scan(send, into: result, reduction))
    }

    /// Exclusive prefix reduction: rank r gets that of ranks 0 ..< r; rank 0's `result` is left
    /// as it was.
    public func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try run(.exscan(send, into: result, reduction))
    }
}
