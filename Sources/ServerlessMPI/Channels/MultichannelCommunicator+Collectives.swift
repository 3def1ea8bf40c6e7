// The collectives that a store may make as a whole. Arguments are checked first, as everywhere; then
// the ranks meet over the links; then the store's own algorithm runs.

import MessagePassing

extension MultichannelCommunicator {
    /// One write and size − 1 reads on a store, by the size of the buffer.
    public func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        guard let store = store(for: .bcast, buffer.count) else {
            return try direct.bcast(buffer, root: root)
        }
        try checkRoot(root, "bcast")
        try meet(.bcast, root: root)
        try store.bcast(buffer, root: root)
    }

    /// One write and size − 1 reads per rank on a store, by the size of a part.
    public func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        guard let store = store(for: .allgather, part.count) else {
            return try direct.allgather(part, into: whole)
        }
        try checkWhole(whole.count, ofParts: part.count, "allgather")
        try meet(.allgather)
        try store.allgather(part, into: whole)
    }

    /// As `allgather`, by the mean size of a part: the partition is known to all.
    public func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        let total = partition.counts.reduce(0, +) * elementSize
        guard let store = store(for: .allgatherv, max(total, 0) / size) else {
            return try direct.allgatherv(
                part, into: whole, partition: partition, elementSize: elementSize)
        }
        try checkPartition(
            partition, byteCount: whole.count, elementSize: elementSize, "allgatherv")
        try checkPart(
            part.count, count: partition.counts[rank], elementSize: elementSize, "allgatherv")
        try meet(.allgatherv)
        try store.allgatherv(part, into: whole, partition: partition, elementSize: elementSize)
    }

    /// By the size of the vector.
    public func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        guard let store = store(for: .allreduce, send.count) else {
            return try direct.allreduce(send, into: result, reduction)
        }
        try checkReduction(send, result, reduction, "allreduce")
        try meet(.allreduce)
        try store.allreduce(send, into: result, reduction)
    }

    /// By the size of the vector.
    public func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        guard let store = store(for: .scan, send.count) else {
            return try direct.scan(send, into: result, reduction)
        }
        try checkReduction(send, result, reduction, "scan")
        try meet(.scan)
        try store.scan(send, into: result, reduction)
    }

    /// By the size of the vector.
    public func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        guard let store = store(for: .exscan, send.count) else {
            return try direct.exscan(send, into: result, reduction)
        }
        try checkReduction(send, result, reduction, "exscan")
        try meet(.exscan)
        try store.exscan(send, into: result, reduction)
    }

    /// Nobody goes on to the store before all have come to this call.
    private func meet(_ operation: CollectiveOperation, root: Int? = nil) throws(MPIError) {
        try direct.disseminate(try beginCollective(operation, root: root))
    }
}
