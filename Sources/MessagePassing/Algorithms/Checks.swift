// Argument checks that every default collective makes before it sends anything, so that a wrong
// call on one rank disturbs no other. Transports with collectives of their own make them, too.

extension Communicator {
    package func checkRoot(_ root: Int, _ operation: String) throws(MPIError) {
        guard root >= 0 && root < size else {
            throw .invalidArgument(
                operation, "root \(root) is not a rank; ranks are 0 ..< \(size)")
        }
    }

    /// A buffer that must hold `size` parts of `partByteCount` bytes.
    package func checkWhole(
        _ byteCount: Int, ofParts partByteCount: Int, _ operation: String
    ) throws(MPIError) {
        guard byteCount == partByteCount * size else {
            throw .invalidArgument(
                operation,
                "a buffer of \(byteCount) bytes for \(size) parts of \(partByteCount) bytes; "
                    + "make it \(partByteCount * size)")
        }
    }

    /// A buffer divided by `partition` into one part per rank.
    package func checkPartition(
        _ partition: Partition, byteCount: Int, elementSize: Int, _ operation: String
    ) throws(MPIError) {
        guard partition.parts == size else {
            throw .invalidArgument(
                operation, "a partition of \(partition.parts) parts for \(size) ranks")
        }
        for rank in 0..<size where partition.counts[rank] < 0 || partition.offsets[rank] < 0 {
            throw .invalidArgument(
                operation,
                "part \(rank) has count \(partition.counts[rank]) at offset "
                    + "\(partition.offsets[rank]); neither may be negative")
        }
        guard partition.extent * elementSize <= byteCount else {
            throw .invalidArgument(
                operation,
                "the partition needs \(partition.extent * elementSize) bytes, the buffer has "
                    + "\(byteCount)")
        }
    }

    /// A part that must be `count` elements long.
    package func checkPart(
        _ byteCount: Int, count: Int, elementSize: Int, _ operation: String
    ) throws(MPIError) {
        guard byteCount == count * elementSize else {
            throw .invalidArgument(
                operation,
                "this rank's part has \(byteCount) bytes, the partition says "
                    + "\(count * elementSize)")
        }
    }

    /// The two buffers of a reduction.
    package func checkReduction(
        _ send: UnsafeRawBufferPointer, _ result: UnsafeMutableRawBufferPointer?,
        _ reduction: RawReduction, _ operation: String
    ) throws(MPIError) {
        guard send.count % max(reduction.elementSize, 1) == 0 else {
            throw .invalidArgument(
                operation,
                "\(send.count) bytes are no whole number of \(reduction.elementSize)-byte elements"
            )
        }
        if let result, result.count != send.count {
            throw .invalidArgument(
                operation,
                "buffers of \(send.count) and \(result.count) bytes; they must be equally long")
        }
    }
}
