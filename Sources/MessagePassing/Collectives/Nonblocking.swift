// Typed nonblocking collectives (MPI 4.1 §6.12): each starts what its blocking namesake does, with
// the same arguments and cost, and returns a request. All ranks must start their collectives,
// blocking ones among them, in the same order.
//
//     let pending = try world.iallreduce(gradient.span, into: sum.mutableSpan, .sum)
//     computeSomethingElse()
//     try pending.wait()

extension Communicator {
    /// Starts a barrier (MPI_Ibarrier): complete once every rank has started it. Collective.
    @_lifetime(immortal)
    public func ibarrier() throws(MPIError) -> Request {
        Request(withoutBuffer: try start(.barrier), of: self)
    }

    /// Starts a broadcast (MPI_Ibcast); see `bcast`. Collective.
    @inlinable @_lifetime(copy elements)
    public func ibcast<Element: BitwiseCopyable>(
        _ elements: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) -> Request {
        let handle = try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try start(.bcast(bytes, root: root))
        }
        return Request(self, handle, borrowing: elements)
    }

    /// Starts a gather of equal parts (MPI_Igather); see `gather`. Collective.
    @inlinable @_lifetime(copy part, copy whole)
    public func igather<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) -> Request {
        let handle = try startOn(part, &whole) { .gather($0, into: $1, root: root) }
        return Request(self, handle, borrowing: part, and: whole)
    }

    /// Starts a gather of parts of any lengths (MPI_Igatherv); see `gatherv`. Collective.
    @inlinable @_lifetime(copy part, copy whole)
    public func igatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, partition: Partition,
        root: Int
    ) throws(MPIError) -> Request {
        let handle = try startOn(part, &whole) {
            .gatherv(
                $0, into: $1, partition: partition, elementSize: MemoryLayout<Element>.stride,
                root: root)
        }
        return Request(self, handle, borrowing: part, and: whole)
    }

    /// Starts a scatter of equal parts (MPI_Iscatter); see `scatter`. Collective.
    @inlinable @_lifetime(copy whole, copy part)
    public func iscatter<Element: BitwiseCopyable>(
        _ whole: Span<Element>, into part: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) -> Request {
        let handle = try startOn(whole, &part) { .scatter($0, into: $1, root: root) }
        return Request(self, handle, borrowing: whole, and: part)
    }

    /// Starts a scatter of parts of any lengths (MPI_Iscatterv); see `scatterv`. Collective.
    @inlinable @_lifetime(copy whole, copy part)
    public func iscatterv<Element: BitwiseCopyable>(
        _ whole: Span<Element>, partition: Partition, into part: consuming MutableSpan<Element>,
        root: Int
    ) throws(MPIError) -> Request {
        let handle = try startOn(whole, &part) {
            .scatterv(
                $0, partition: partition, into: $1, elementSize: MemoryLayout<Element>.stride,
                root: root)
        }
        return Request(self, handle, borrowing: whole, and: part)
    }

    /// Starts an allgather of equal parts (MPI_Iallgather); see `allgather`. Collective.
    @inlinable @_lifetime(copy part, copy whole)
    public func iallgather<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(part, &whole) { .allgather($0, into: $1) }
        return Request(self, handle, borrowing: part, and: whole)
    }

    /// Starts an allgather of parts of any lengths (MPI_Iallgatherv); see `allgatherv`. Collective.
    @inlinable @_lifetime(copy part, copy whole)
    public func iallgatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, partition: Partition
    ) throws(MPIError) -> Request {
        let handle = try startOn(part, &whole) {
            .allgatherv(
                $0, into: $1, partition: partition, elementSize: MemoryLayout<Element>.stride)
        }
        return Request(self, handle, borrowing: part, and: whole)
    }

    /// Starts an exchange of equal parts (MPI_Ialltoall); see `alltoall`. Collective.
    @inlinable @_lifetime(copy send, copy recv)
    public func ialltoall<Element: BitwiseCopyable>(
        _ send: Span<Element>, into recv: consuming MutableSpan<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(send, &recv) { .alltoall($0, into: $1) }
        return Request(self, handle, borrowing: send, and: recv)
    }

    /// Starts an exchange of parts of any lengths (MPI_Ialltoallv); see `alltoallv`. Collective.
    @inlinable @_lifetime(copy send, copy recv)
    public func ialltoallv<Element: BitwiseCopyable>(
        _ send: Span<Element>, _ sendPartition: Partition,
        into recv: consuming MutableSpan<Element>, _ recvPartition: Partition
    ) throws(MPIError) -> Request {
        let handle = try startOn(send, &recv) {
            .alltoallv(
                $0, sendPartition, into: $1, recvPartition,
                elementSize: MemoryLayout<Element>.stride)
        }
        return Request(self, handle, borrowing: send, and: recv)
    }

    /// Starts a reduction to the root (MPI_Ireduce); see `reduce`. Collective.
    @inlinable @_lifetime(copy elements, copy result)
    public func ireduce<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>, root: Int
    ) throws(MPIError) -> Request {
        let handle = try startOn(elements, &result) {
            .reduce($0, into: $1, reduction.raw, root: root)
        }
        return Request(self, handle, borrowing: elements, and: result)
    }

    /// Starts a reduction to all ranks (MPI_Iallreduce); see `allreduce`. Collective.
    @inlinable @_lifetime(copy elements, copy result)
    public func iallreduce<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(elements, &result) { .allreduce($0, into: $1, reduction.raw) }
        return Request(self, handle, borrowing: elements, and: result)
    }

    /// Starts a reduction in place (MPI_Iallreduce with MPI_IN_PLACE). Collective.
    @inlinable @_lifetime(copy elements)
    public func iallreduce<Element: BitwiseCopyable>(
        inPlace elements: consuming MutableSpan<Element>, _ reduction: Reduction<Element>
    ) throws(MPIError) -> Request {
        let handle = try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try start(.allreduce(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw))
        }
        return Request(self, handle, borrowing: elements)
    }

    /// Starts a reduction whose result is divided among the ranks (MPI_Ireduce_scatter); see
    /// `reduceScatter`. Collective.
    @inlinable @_lifetime(copy elements, copy result)
    public func ireduceScatter<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        partition: Partition, _ reduction: Reduction<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(elements, &result) {
            .reduceScatter($0, into: $1, partition: partition, reduction.raw)
        }
        return Request(self, handle, borrowing: elements, and: result)
    }

    /// Starts an inclusive prefix reduction (MPI_Iscan); see `scan`. Collective.
    @inlinable @_lifetime(copy elements, copy result)
    public func iscan<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(elements, &result) { .scan($0, into: $1, reduction.raw) }
        return Request(self, handle, borrowing: elements, and: result)
    }

    /// Starts an exclusive prefix reduction (MPI_Iexscan); see `exscan`. Collective.
    @inlinable @_lifetime(copy elements, copy result)
    public func iexscan<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) -> Request {
        let handle = try startOn(elements, &result) { .exscan($0, into: $1, reduction.raw) }
        return Request(self, handle, borrowing: elements, and: result)
    }

    /// Starts what `collective` makes of the two buffers' bytes.
    @inlinable
    func startOn<Element: BitwiseCopyable>(
        _ source: Span<Element>, _ target: inout MutableSpan<Element>,
        _ collective: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Collective
    ) throws(MPIError) -> RequestHandle {
        try target.withUnsafeMutableBytes { (target) throws(MPIError) in
            try source.withUnsafeBytes { (source) throws(MPIError) in
                try start(collective(source, target))
            }
        }
    }
}
