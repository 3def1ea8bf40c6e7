// Typed all-to-all exchanges: every rank hands every rank a part. The shuffle of a dataframe.

extension Communicator {
    /// Exchanges equal parts: part r of `send` goes to rank r, part r of `recv` comes from rank r
    /// (MPI_Alltoall, MPI 4.1 §6.8).
    ///
    /// Collective. Both hold `size` parts of equal length. Cost: size − 1 messages each way, all
    /// in flight at once.
    @inlinable
    public func alltoall<Element: BitwiseCopyable>(
        _ send: Span<Element>, into recv: consuming MutableSpan<Element>
    ) throws(MPIError) {
        try recv.withUnsafeMutableBytes { (recv) throws(MPIError) in
            try send.withUnsafeBytes { (send) throws(MPIError) in
                try alltoall(send, into: recv)
            }
        }
    }

    /// Exchanges equal parts into a new array. Collective; `elements` holds `size` of them.
    @inlinable
    public func alltoall<Element: BitwiseCopyable>(
        _ elements: Span<Element>
    ) throws(MPIError) -> [Element] {
        try uninitializedArray(elements.count) { (recv) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try alltoall(send, into: recv)
            }
        }
    }

    /// Exchanges parts of any lengths (MPI_Alltoallv): the first `counts[0]` elements go to rank
    /// 0, the next `counts[1]` to rank 1 …
    ///
    /// Collective. The receive counts are learned by one alltoall of 8 bytes per pair; pass
    /// `recvCounts` if you know them.
    @inlinable
    public func alltoallv<Element: BitwiseCopyable>(
        _ elements: Span<Element>, counts: [Int]
    ) throws(MPIError) -> Partitioned<Element> {
        // Checked before the exchange of counts, so that a wrong argument sends nothing.
        _ = try checkedSendPartition(elements.count, counts)
        let recvCounts = try alltoall(counts.span)
        return try alltoallv(elements, counts: counts, recvCounts: recvCounts)
    }

    /// Exchanges parts whose lengths both sides know. Collective; size − 1 messages each way at
    /// most, none for empty parts.
    @inlinable
    public func alltoallv<Element: BitwiseCopyable>(
        _ elements: Span<Element>, counts: [Int], recvCounts: [Int]
    ) throws(MPIError) -> Partitioned<Element> {
        let sendPartition = try checkedSendPartition(elements.count, counts)
        let recvPartition = try checkedPartition(recvCounts, "alltoallv")
        let received: [Element] = try uninitializedArray(recvPartition.extent) {
            (recv) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try alltoallv(
                    send, sendPartition, into: recv, recvPartition,
                    elementSize: MemoryLayout<Element>.stride)
            }
        }
        return Partitioned(elements: received, partition: recvPartition)
    }

    /// Exchanges parts at given places of caller-provided buffers. Collective; allocates nothing.
    @inlinable
    public func alltoallv<Element: BitwiseCopyable>(
        _ send: Span<Element>, _ sendPartition: Partition,
        into recv: consuming MutableSpan<Element>, _ recvPartition: Partition
    ) throws(MPIError) {
        try recv.withUnsafeMutableBytes { (recv) throws(MPIError) in
            try send.withUnsafeBytes { (send) throws(MPIError) in
                try alltoallv(
                    send, sendPartition, into: recv, recvPartition,
                    elementSize: MemoryLayout<Element>.stride)
            }
        }
    }

    /// The parts of `elementCount` elements, one per rank.
    @inlinable
    func checkedSendPartition(_ elementCount: Int, _ counts: [Int]) throws(MPIError) -> Partition {
        guard counts.count == size else {
            throw .invalidArgument(
                "alltoallv", "\(counts.count) counts for \(size) ranks; give one per rank")
        }
        let partition = try checkedPartition(counts, "alltoallv")
        guard partition.extent == elementCount else {
            throw .invalidArgument(
                "alltoallv",
                "the counts add up to \(partition.extent) elements, the buffer has \(elementCount)")
        }
        return partition
    }
}
