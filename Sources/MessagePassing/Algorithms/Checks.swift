// Argument checks that every default collective makes before it sends anything, so that a wrong
// call on one rank disturbs no other. Transports with collectives of their own make them, too.

extension Communicator {
    /// All of a collective's arguments.
    package func checkArguments(of collective: borrowing Collective) throws(MPIError) {
        let operation = collective.operation
        if let root = collective.root { try checkRoot(root, operation) }
        switch collective {
        case .barrier, .bcast: break
        case .gather(let part, let whole, let root):
            if rank == root { try checkWhole(whole.count, ofParts: part.count, operation) }
        case .gatherv(let part, let whole, let partition, let elementSize, let root):
            guard rank == root else { return }
            try checkDivided(whole.count, partition, part.count, elementSize, operation)
        case .scatter(let whole, let part, let root):
            if rank == root { try checkWhole(whole.count, ofParts: part.count, operation) }
        case .scatterv(let whole, let partition, let part, let elementSize, let root):
            guard rank == root else { return }
            try checkDivided(whole.count, partition, part.count, elementSize, operation)
        case .allgather(let part, let whole):
            try checkWhole(whole.count, ofParts: part.count, operation)
        case .allgatherv(let part, let whole, let partition, let elementSize):
            try checkDivided(whole.count, partition, part.count, elementSize, operation)
        case .alltoall(let send, let recv):
            try checkAlltoall(send.count, recv.count)
        case .alltoallv(let send, let sendPartition, let recv, let recvPartition, let width):
            try checkPartition(
                sendPartition, byteCount: send.count, elementSize: width, operation)
            try checkPartition(
                recvPartition, byteCount: recv.count, elementSize: width, operation)
            try checkOwnPart(sendPartition, recvPartition)
        case .reduce(let send, let result, let reduction, let root):
            try checkReduction(send, rank == root ? result : nil, reduction, operation)
        // Of several patterns for one branch the whole value would be copied.
        case .allreduce(let send, let result, let reduction):
            try checkReduction(send, result, reduction, operation)
        case .scan(let send, let result, let reduction):
            try checkReduction(send, result, reduction, operation)
        case .exscan(let send, let result, let reduction):
            try checkReduction(send, result, reduction, operation)
        case .reduceScatter(let send, let result, let partition, let reduction):
            try checkReduction(send, nil, reduction, operation)
            try checkDivided(
                send.count, partition, result.count, reduction.elementSize, operation)
        }
    }

    /// A buffer divided by `partition`, and this rank's part of it.
    private func checkDivided(
        _ byteCount: Int, _ partition: Partition, _ partByteCount: Int, _ elementSize: Int,
        _ operation: CollectiveOperation
    ) throws(MPIError) {
        try checkPartition(
            partition, byteCount: byteCount, elementSize: elementSize, operation)
        try checkPart(
            partByteCount, count: partition.counts[rank], elementSize: elementSize, operation)
    }

    private func checkAlltoall(_ sent: Int, _ received: Int) throws(MPIError) {
        guard sent == received, sent % size == 0 else {
            throw .invalidArgument(
                "alltoall",
                "buffers of \(sent) and \(received) bytes; both must hold \(size) equal parts")
        }
    }

    private func checkOwnPart(
        _ sendPartition: Partition, _ recvPartition: Partition
    ) throws(MPIError) {
        guard sendPartition.counts[rank] == recvPartition.counts[rank] else {
            throw .invalidArgument(
                "alltoallv",
                "this rank sends itself \(sendPartition.counts[rank]) elements but expects "
                    + "\(recvPartition.counts[rank])")
        }
    }

    package func checkRoot(_ root: Int, _ operation: CollectiveOperation) throws(MPIError) {
        guard root >= 0 && root < size else {
            throw .invalidArgument(
                "\(operation)", "root \(root) is not a rank; ranks are 0 ..< \(size)")
        }
    }

    /// A buffer that must hold `size` parts of `partByteCount` bytes.
    package func checkWhole(
        _ byteCount: Int, ofParts partByteCount: Int, _ operation: CollectiveOperation
    ) throws(MPIError) {
        guard byteCount == partByteCount * size else {
            throw .invalidArgument(
                "\(operation)",
                "a buffer of \(byteCount) bytes for \(size) parts of \(partByteCount) bytes; "
                    + "make it \(partByteCount * size)")
        }
    }

    /// A buffer divided by `partition` into one part per rank.
    package func checkPartition(
        _ partition: Partition, byteCount: Int, elementSize: Int,
        _ operation: CollectiveOperation
    ) throws(MPIError) {
        guard partition.parts == size else {
            throw .invalidArgument(
                "\(operation)", "a partition of \(partition.parts) parts for \(size) ranks")
        }
        for rank in 0..<size where partition.counts[rank] < 0 || partition.offsets[rank] < 0 {
            throw .invalidArgument(
                "\(operation)",
                "part \(rank) has count \(partition.counts[rank]) at offset "
                    + "\(partition.offsets[rank]); neither may be negative")
        }
        guard partition.extent * elementSize <= byteCount else {
            throw .invalidArgument(
                "\(operation)",
                "the partition needs \(partition.extent * elementSize) bytes, the buffer has "
                    + "\(byteCount)")
        }
    }

    /// A part that must be `count` elements long.
    package func checkPart(
        _ byteCount: Int, count: Int, elementSize: Int, _ operation: CollectiveOperation
    ) throws(MPIError) {
        guard byteCount == count * elementSize else {
            throw .invalidArgument(
                "\(operation)",
                "this rank's part has \(byteCount) bytes, the partition says "
                    + "\(count * elementSize)")
        }
    }

    /// The two buffers of a reduction.
    package func checkReduction(
        _ send: UnsafeRawBufferPointer, _ result: UnsafeMutableRawBufferPointer?,
        _ reduction: RawReduction, _ operation: CollectiveOperation
    ) throws(MPIError) {
        guard send.count % max(reduction.elementSize, 1) == 0 else {
            throw .invalidArgument(
                "\(operation)",
                "\(send.count) bytes are no whole number of \(reduction.elementSize)-byte elements"
            )
        }
        if let result, result.count != send.count {
            throw .invalidArgument(
                "\(operation)",
                "buffers of \(send.count) and \(result.count) bytes; they must be equally long")
        }
    }
}
