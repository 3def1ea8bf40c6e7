// Collectives on bytes (MPI 4.1 §6), each one MPI call. Costs are the library's: Open MPI's tuned
// module chooses an algorithm by message length and number of ranks.
//
// Wrong arguments throw here, before MPI is called; MPI cannot tell ranks apart that disagree.

import CMPIShim
import MessagePassing

extension MPICommunicator {
    /// MPI_Barrier (MPI 4.1 §6.3).
    public func barrier() throws(MPIError) {
        try check(cmpi_barrier(handle, seconds), "barrier")
    }

    /// MPI_Bcast (MPI 4.1 §6.4).
    public func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        try checkRoot(root, "bcast")
        try check(
            cmpi_bcast(buffer.baseAddress, buffer.count, Int32(root), handle, seconds), "bcast")
    }

    /// MPI_Gather (MPI 4.1 §6.5).
    public func gather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "gather")
        if rank == root { try checkWhole(whole.count, ofParts: part.count, "gather") }
        try check(
            cmpi_gather(
                part.baseAddress, part.count, whole.baseAddress, Int32(root), handle, seconds),
            "gather")
    }

    /// MPI_Gatherv as MPI_Alltoallw, whose per-rank types hold parts of any length and place.
    public func gatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "gatherv")
        if rank == root {
            try checkPartition(
                partition, byteCount: whole.count, elementSize: elementSize, "gatherv")
            try checkPart(
                part.count, count: partition.counts[rank], elementSize: elementSize, "gatherv")
        }
        let code = withShim(partition, elementSize) { partition in
            cmpi_gatherv(
                part.baseAddress, part.count, whole.baseAddress, partition, Int32(root), handle,
                seconds)
        }
        try check(code, "gatherv")
    }

    /// MPI_Scatter (MPI 4.1 §6.6).
    public func scatter(
        _ whole: UnsafeRawBufferPointer, into part: UnsafeMutableRawBufferPointer, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "scatter")
        if rank == root { try checkWhole(whole.count, ofParts: part.count, "scatter") }
        try check(
            cmpi_scatter(
                whole.baseAddress, part.baseAddress, part.count, Int32(root), handle, seconds),
            "scatter")
    }

    /// MPI_Scatterv as MPI_Alltoallw; see `gatherv`.
    public func scatterv(
        _ whole: UnsafeRawBufferPointer, partition: Partition,
        into part: UnsafeMutableRawBufferPointer, elementSize: Int, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "scatterv")
        if rank == root {
            try checkPartition(
                partition, byteCount: whole.count, elementSize: elementSize, "scatterv")
            try checkPart(
                part.count, count: partition.counts[rank], elementSize: elementSize, "scatterv")
        }
        let code = withShim(partition, elementSize) { partition in
            cmpi_scatterv(
                whole.baseAddress, partition, part.baseAddress, part.count, Int32(root), handle,
                seconds)
        }
        try check(code, "scatterv")
    }

    /// MPI_Allgather (MPI 4.1 §6.7).
    public func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        try checkWhole(whole.count, ofParts: part.count, "allgather")
        try check(
            cmpi_allgather(part.baseAddress, part.count, whole.baseAddress, handle, seconds),
            "allgather")
    }

    /// MPI_Allgatherv (MPI 4.1 §6.7); beyond 2³¹ − 1 bytes in all, one MPI_Bcast per part.
    public func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        try checkPartition(
            partition, byteCount: whole.count, elementSize: elementSize, "allgatherv")
        try checkPart(
            part.count, count: partition.counts[rank], elementSize: elementSize, "allgatherv")
        let code = withShim(partition, elementSize) { partition in
            cmpi_allgatherv(part.baseAddress, whole.baseAddress, partition, handle, seconds)
        }
        try check(code, "allgatherv")
    }

    /// MPI_Alltoall (MPI 4.1 §6.8).
    public func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        guard send.count == recv.count, send.count.isMultiple(of: size) else {
            throw .invalidArgument(
                "alltoall",
                """
                \(send.count) bytes to send and \(recv.count) to receive; give \(size) equal \
                parts of both
                """)
        }
        try check(
            cmpi_alltoall(
                send.baseAddress, recv.baseAddress, send.count / size, handle, seconds),
            "alltoall")
    }

    /// MPI_Alltoallv as MPI_Alltoallw; see `gatherv`.
    public func alltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int
    ) throws(MPIError) {
        try checkPartition(
            sendPartition, byteCount: send.count, elementSize: elementSize, "alltoallv")
        try checkPartition(
            recvPartition, byteCount: recv.count, elementSize: elementSize, "alltoallv")
        let code = withShim(sendPartition, elementSize) { sends in
            withShim(recvPartition, elementSize) { recvs in
                cmpi_alltoallv(send.baseAddress, sends, recv.baseAddress, recvs, handle, seconds)
            }
        }
        try check(code, "alltoallv")
    }
}

/// A partition as the shim takes it, for the time of one call.
private func withShim(
    _ partition: Partition, _ elementSize: Int, _ body: (cmpi_partition) -> Int32
) -> Int32 {
    partition.counts.withUnsafeBufferPointer { counts in
        partition.offsets.withUnsafeBufferPointer { offsets in
            body(
                cmpi_partition(
                    counts: counts.baseAddress, offsets: offsets.baseAddress,
                    element_size: elementSize))
        }
    }
}
