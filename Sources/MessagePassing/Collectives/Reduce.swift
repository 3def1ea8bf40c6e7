// Typed reductions and prefix reductions.

extension Communicator {
    /// Combines the elements of all ranks, position by position, at the root (MPI_Reduce,
    /// MPI 4.1 §6.9.1).
    ///
    /// Collective. `elements` and `result` have the same length on all ranks; `result` is written
    /// at the root only. Cost: 1 to ⌈log₂ size⌉ steps.
    @inlinable
    public func reduce<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>, root: Int
    ) throws(MPIError) {
        try result.withUnsafeMutableBytes { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try reduce(send, into: result, reduction.raw, root: root)
            }
        }
    }

    /// Combines one value of each rank: the result at the root, nil elsewhere. Collective.
    @inlinable
    public func reduce<Element: BitwiseCopyable>(
        _ value: Element, _ reduction: Reduction<Element>, root: Int
    ) throws(MPIError) -> Element? {
        var value = value
        try withMutableBytes(of: &value) { (bytes) throws(MPIError) in
            try reduce(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw, root: root)
        }
        return rank == root ? value : nil
    }

    /// Combines the elements of all ranks, position by position, on every rank (MPI_Allreduce,
    /// MPI 4.1 §6.9.6).
    ///
    /// Collective. Both spans have the same length on all ranks. Cost: 1 to ⌈log₂ size⌉ + 1 steps for
    /// short ones; about twice the bytes of `elements` each way for long ones.
    @inlinable
    public func allreduce<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) {
        try result.withUnsafeMutableBytes { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try allreduce(send, into: result, reduction.raw)
            }
        }
    }

    /// Combines the elements of all ranks, position by position, into a new array. Collective.
    @inlinable
    public func allreduce<Element: BitwiseCopyable>(
        _ elements: Span<Element>, _ reduction: Reduction<Element>
    ) throws(MPIError) -> [Element] {
        try uninitializedArray(elements.count) { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try allreduce(send, into: result, reduction.raw)
            }
        }
    }

    /// Combines in place: `elements` is replaced by the result (MPI_IN_PLACE). Collective.
    @inlinable
    public func allreduce<Element: BitwiseCopyable>(
        inPlace elements: consuming MutableSpan<Element>, _ reduction: Reduction<Element>
    ) throws(MPIError) {
        try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try allreduce(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw)
        }
    }

    /// Combines one value of each rank: `try world.allreduce(rows.count, .sum)`. Collective.
    @inlinable
    public func allreduce<Element: BitwiseCopyable>(
        _ value: Element, _ reduction: Reduction<Element>
    ) throws(MPIError) -> Element {
        var value = value
        try withMutableBytes(of: &value) { (bytes) throws(MPIError) in
            try allreduce(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw)
        }
        return value
    }

    /// Combines the elements of all ranks, position by position, and divides the result: rank r gets
    /// part r of it (MPI_Reduce_scatter, MPI 4.1 §6.10).
    ///
    /// Collective. `elements` holds `partition.extent` elements, `result` partition[rank] of them;
    /// the partition is the same on all ranks. Cost: one step; n · (size − 1)/size bytes each way.
    @inlinable
    public func reduceScatter<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        partition: Partition, _ reduction: Reduction<Element>
    ) throws(MPIError) {
        try result.withUnsafeMutableBytes { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try reduceScatter(send, into: result, partition: partition, reduction.raw)
            }
        }
    }

    /// As above for equal parts, into a new array of `elements.count` / size elements
    /// (MPI_Reduce_scatter_block). Collective.
    @inlinable
    public func reduceScatter<Element: BitwiseCopyable>(
        _ elements: Span<Element>, _ reduction: Reduction<Element>
    ) throws(MPIError) -> [Element] {
        guard elements.count % size == 0 else {
            throw .invalidArgument(
                "reduceScatter",
                "\(elements.count) elements do not divide into \(size) equal parts")
        }
        let partition = Partition(count: elements.count / size, parts: size)
        return try uninitializedArray(elements.count / size) { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try reduceScatter(send, into: result, partition: partition, reduction.raw)
            }
        }
    }

    /// Inclusive prefix reduction: rank r gets the combination of ranks 0 ... r (MPI_Scan,
    /// MPI 4.1 §6.11). Collective. Cost: ⌈log₂ size⌉ steps.
    @inlinable
    public func scan<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) {
        try result.withUnsafeMutableBytes { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try scan(send, into: result, reduction.raw)
            }
        }
    }

    /// Inclusive prefix reduction of one value per rank. Collective.
    @inlinable
    public func scan<Element: BitwiseCopyable>(
        _ value: Element, _ reduction: Reduction<Element>
    ) throws(MPIError) -> Element {
        var value = value
        try withMutableBytes(of: &value) { (bytes) throws(MPIError) in
            try scan(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw)
        }
        return value
    }

    /// Exclusive prefix reduction: rank r gets the combination of ranks 0 ..< r; rank 0's
    /// `result` keeps what it held (MPI_Exscan). Collective. Cost: ⌈log₂ size⌉ steps.
    @inlinable
    public func exscan<Element: BitwiseCopyable>(
        _ elements: Span<Element>, into result: consuming MutableSpan<Element>,
        _ reduction: Reduction<Element>
    ) throws(MPIError) {
        try result.withUnsafeMutableBytes { (result) throws(MPIError) in
            try elements.withUnsafeBytes { (send) throws(MPIError) in
                try exscan(send, into: result, reduction.raw)
            }
        }
    }

    /// Exclusive prefix reduction of one value per rank; nil on rank 0. Collective.
    ///
    ///     let firstRow = try world.exscan(rows.count, .sum) ?? 0
    @inlinable
    public func exscan<Element: BitwiseCopyable>(
        _ value: Element, _ reduction: Reduction<Element>
    ) throws(MPIError) -> Element? {
        var value = value
        try withMutableBytes(of: &value) { (bytes) throws(MPIError) in
            try exscan(UnsafeRawBufferPointer(bytes), into: bytes, reduction.raw)
        }
        return rank == 0 ? nil : value
    }
}
