// Typed barrier and broadcast.

extension Communicator {
    /// Gives every rank the root's elements (MPI_Bcast, MPI 4.1 §6.4).
    ///
    /// Collective. `elements` has the same length everywhere: the source on `root`, overwritten
    /// elsewhere. Cost: 1 to ⌈log₂ size⌉ steps; every rank but the root receives the bytes once.
    /// - Throws: `invalidArgument` for a root out of range; `mismatchedCollective` where the
    ///   transport detects other lengths or roots.
    @inlinable
    public func bcast<Element: BitwiseCopyable>(
        _ elements: consuming MutableSpan<Element>, root: Int
    ) throws(MPIError) {
        try elements.withUnsafeMutableBytes { (bytes) throws(MPIError) in
            try bcast(bytes, root: root)
        }
    }

    /// The root's value, on every rank. Collective; the other ranks' `value` is ignored.
    @inlinable
    public func bcast<Element: BitwiseCopyable>(
        _ value: Element, root: Int
    ) throws(MPIError) -> Element {
        var value = value
        try withMutableBytes(of: &value) { (bytes) throws(MPIError) in
            try bcast(bytes, root: root)
        }
        return value
    }

    /// The root's array, of a length that only the root needs to know. Collective; one broadcast
    /// more than with equal lengths.
    @inlinable
    public func bcast<Element: BitwiseCopyable>(
        array elements: [Element], root: Int
    ) throws(MPIError) -> [Element] {
        let count = try bcast(elements.count, root: root)
        if rank == root {
            var elements = elements
            try bcast(elements.mutableSpan, root: root)
            return elements
        }
        return try uninitializedArray(count) { (bytes) throws(MPIError) in
            try bcast(bytes, root: root)
        }
    }
}
