// Typed gathers: one rank, or every rank, gets the parts of all.

extension Communicator {
    /// Collects equal parts at the root, in rank order (MPI_Gather, MPI 4.1 §6.5).
    ///
    /// Collective. `part` has the same length on all ranks; `whole`, of `size` times that, is
    /// written at the root and ignored elsewhere. Cost: the root receives (size − 1) parts.
    @inlinable
    public func gather<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) {
        try whole.withUnsafeMutableBytes { (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try gather(part, into: whole, root: root)
            }
        }
    }

    /// Collects one value of each rank at the root; empty elsewhere. Collective.
    @inlinable
    public func gather<Element: BitwiseCopyable>(
        _ value: Element, root: Int
    ) throws(MPIError) -> [Element] {
        try withBytes(of: value) { (part) throws(MPIError) in
            try uninitializedArray(rank == root ? size : 0) { (whole) throws(MPIError) in
                try gather(part, into: whole, root: root)
            }
        }
    }

    /// Collects parts of any lengths at the root (MPI_Gatherv); no parts elsewhere.
    ///
    /// Collective. Learns the counts first: one gather of 8 bytes per rank more than with
    /// `counts`.
    @inlinable
    public func gatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, root: Int
    ) throws(MPIError) -> Partitioned<Element> {
        let counts = try gather(part.count, root: root)
        return try gatherv(part, counts: counts, root: root)
    }

    /// Collects parts whose lengths the root knows: `counts[r]` elements of rank r, significant at
    /// the root only. Collective; no message but the parts.
    @inlinable
    public func gatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, counts: [Int], root: Int
    ) throws(MPIError) -> Partitioned<Element> {
        let partition = try checkedPartition(rank == root ? counts : [], "gatherv")
        let elements: [Element] = try uninitializedArray(partition.extent) {
            (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try gatherv(
                    part, into: whole, partition: partition,
                    elementSize: MemoryLayout<Element>.stride, root: root)
            }
        }
        return Partitioned(elements: elements, partition: partition)
    }

    /// Collects parts at given places of the root's `whole` (MPI_Gatherv). Collective; allocates
    /// nothing.
    @inlinable
    public func gatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, partition: Partition,
        root: Int
    ) throws(MPIError) {
        try whole.withUnsafeMutableBytes { (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try gatherv(
                    part, into: whole, partition: partition,
                    elementSize: MemoryLayout<Element>.stride, root: root)
            }
        }
    }

    /// Gives every rank the equal parts of all, in rank order (MPI_Allgather, MPI 4.1 §6.7).
    ///
    /// Collective. `whole` holds `size` times the elements of `part`. Cost: every rank receives
    /// (size − 1) parts, in one step or ⌈log₂ size⌉.
    @inlinable
    public func allgather<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>
    ) throws(MPIError) {
        try whole.withUnsafeMutableBytes { (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try allgather(part, into: whole)
            }
        }
    }

    /// Equal parts of all ranks as a new array. Collective.
    @inlinable
    public func allgather<Element: BitwiseCopyable>(
        _ part: Span<Element>
    ) throws(MPIError) -> [Element] {
        try uninitializedArray(part.count * size) { (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try allgather(part, into: whole)
            }
        }
    }

    /// One value of each rank, on every rank. Collective.
    @inlinable
    public func allgather<Element: BitwiseCopyable>(
        _ value: Element
    ) throws(MPIError) -> [Element] {
        try withBytes(of: value) { (part) throws(MPIError) in
            try uninitializedArray(size) { (whole) throws(MPIError) in
                try allgather(part, into: whole)
            }
        }
    }

    /// Gives every rank the parts of all, of any lengths (MPI_Allgatherv).
    ///
    /// Collective. Learns the counts first: one allgather of 8 bytes per rank more than with
    /// `counts`.
    @inlinable
    public func allgatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>
    ) throws(MPIError) -> Partitioned<Element> {
        let counts = try allgather(part.count)
        return try allgatherv(part, counts: counts)
    }

    /// Parts whose lengths all ranks know: `counts[r]` elements of rank r. Collective; no message
    /// but the parts.
    @inlinable
    public func allgatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, counts: [Int]
    ) throws(MPIError) -> Partitioned<Element> {
        let partition = try checkedPartition(counts, "allgatherv")
        let elements: [Element] = try uninitializedArray(partition.extent) {
            (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try allgatherv(
                    part, into: whole, partition: partition,
                    elementSize: MemoryLayout<Element>.stride)
            }
        }
        return Partitioned(elements: elements, partition: partition)
    }

    /// Parts at given places of `whole`, the same on all ranks. Collective; allocates nothing.
    @inlinable
    public func allgatherv<Element: BitwiseCopyable>(
        _ part: Span<Element>, into whole: consuming MutableSpan<Element>, partition: Partition
    ) throws(MPIError) {
        try whole.withUnsafeMutableBytes { (whole) throws(MPIError) in
            try part.withUnsafeBytes { (part) throws(MPIError) in
                try allgatherv(
                    part, into: whole, partition: partition,
                    elementSize: MemoryLayout<Element>.stride)
            }
        }
    }
}

/// Dense parts of `counts` elements; a negative count throws before anything is sent.
@inlinable
func checkedPartition(_ counts: [Int], _ operation: String) throws(MPIError) -> Partition {
    if let rank = counts.firstIndex(where: { $0 < 0 }) {
        throw .invalidArgument(
            operation, "the count for rank \(rank) is \(counts[rank]); counts are 0 or more")
    }
    return Partition(counts: counts)
}
