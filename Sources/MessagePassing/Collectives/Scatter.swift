// Typed scatters: the root hands every rank its part.

extension Communicator {
    /// Hands out equal parts of the root's `whole`, in rank order (MPI_Scatter, MPI 4.1 §6.6).
    ///
    /// Collective. `part` has the same length on all ranks; `whole`, of `size` times that, counts
    /// at the root only. Cost: the root sends (size − 1) parts.
    @inlinable
    public func scatter<Element: BitwiseCopyable>(
        _ whole: Span<Element>, into part: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) {
        try part.withUnsafeMutableBytes { (part) throws(MPIError) in
            try whole.withUnsafeBytes { (whole) throws(MPIError) in
                try scatter(whole, into: part, root: root)
            }
        }
    }

    /// Hands element r of the root's `values` to rank r. Collective; `values` counts at the root
    /// only, where it has `size` elements.
    @inlinable
    public func scatter<Element: BitwiseCopyable>(
        _ values: [Element], root: Int
    ) throws(MPIError) -> Element {
        let part: [Element] = try uninitializedArray(1) { (part) throws(MPIError) in
            try values.span.withUnsafeBytes { (whole) throws(MPIError) in
                try scatter(whole, into: part, root: root)
            }
        }
        return part[0]
    }

    /// Hands out parts of any lengths (MPI_Scatterv): the first `counts[0]` elements of `whole` to
    /// rank 0, the next `counts[1]` to rank 1 …; both count at the root only.
    ///
    /// Collective. Tells each rank its count first: one scatter of 8 bytes per rank.
    @inlinable
    public func scatterv<Element: BitwiseCopyable>(
        _ whole: Span<Element>, counts: [Int], root: Int
    ) throws(MPIError) -> [Element] {
        let partition = try checkedPartition(rank == root ? counts : [], "scatterv")
        let count = try scatter(counts, root: root)
        return try uninitializedArray(count) { (part) throws(MPIError) in
            try whole.withUnsafeBytes { (whole) throws(MPIError) in
                try scatterv(
                    whole, partition: partition, into: part,
                    elementSize: MemoryLayout<Element>.stride, root: root)
            }
        }
    }

    /// Hands out parts whose lengths every rank knows: `part` is exactly this rank's. Collective;
    /// no message but the parts, allocates nothing.
    @inlinable
    public func scatterv<Element: BitwiseCopyable>(
        _ whole: Span<Element>, partition: Partition, into part: consuming MutableSpan<Element>,
        root: Int
    ) throws(MPIError) {
        try part.withUnsafeMutableBytes { (part) throws(MPIError) in
            try whole.withUnsafeBytes { (whole) throws(MPIError) in
                try scatterv(
                    whole, partition: partition, into: part,
                    elementSize: MemoryLayout<Element>.stride, root: root)
            }
        }
    }
}
