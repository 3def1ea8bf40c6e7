// Collectives on bytes (MPI 4.1 §6), each one MPI call, blocking or only started. Costs are the
// library's: Open MPI's tuned module chooses an algorithm by message length and number of ranks.
//
// Wrong arguments throw here, before MPI is called; MPI cannot tell ranks apart that disagree.

import CMPIShim
import Glibc
import MessagePassing

extension MPICommunicator {
    /// The MPI call of the same name. gatherv, scatterv and alltoallv are MPI_Alltoallw, whose
    /// per-rank types hold parts of any length and place; allgatherv beyond 2³¹ − 1 bytes is one
    /// MPI_Bcast per part.
    public func run(_ collective: Collective) throws(MPIError) {
        try checkArguments(of: collective)
        let code = try call(collective, cmpi_mode(seconds: seconds, request: nil))
        if code != CMPI_SUCCESS { try check(code, "\(collective.operation)") }
    }

    /// The MPI call of the same name with an I (MPI 4.1 §6.12), but for some of `ireduceScatter`'s.
    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try checkArguments(of: collective)
        var request: UInt64 = 0
        let code = try withUnsafeMutablePointer(to: &request) { (request) throws(MPIError) in
            try call(collective, cmpi_mode(seconds: -1, request: request))
        }
        if code != CMPI_SUCCESS { try check(code, "i\(collective.operation)") }
        return RequestHandle(rawValue: request)
    }

    public func algorithm(of collective: Collective) -> CollectiveAlgorithm { .native }

    private func call(
        _ collective: borrowing Collective, _ mode: cmpi_mode
    ) throws(MPIError) -> Int32 {
        switch collective {
        case .barrier:
            return cmpi_barrier(handle, mode)
        case .bcast(let buffer, let root):
            return cmpi_bcast(buffer.baseAddress, buffer.count, Int32(root), handle, mode)
        case .gather(let part, let whole, let root):
            return cmpi_gather(
                part.baseAddress, part.count, whole.baseAddress, Int32(root), handle, mode)
        case .gatherv(let part, let whole, let partition, let elementSize, let root):
            return withShim(partition, elementSize) { partition in
                cmpi_gatherv(
                    part.baseAddress, part.count, whole.baseAddress, partition, Int32(root),
                    handle, mode)
            }
        case .scatter(let whole, let part, let root):
            return cmpi_scatter(
                whole.baseAddress, part.baseAddress, part.count, Int32(root), handle, mode)
        case .scatterv(let whole, let partition, let part, let elementSize, let root):
            return withShim(partition, elementSize) { partition in
                cmpi_scatterv(
                    whole.baseAddress, partition, part.baseAddress, part.count, Int32(root),
                    handle, mode)
            }
        case .allgather(let part, let whole):
            return cmpi_allgather(
                part.baseAddress, part.count, whole.baseAddress, handle, mode)
        case .allgatherv(let part, let whole, let partition, let elementSize):
            return withShim(partition, elementSize) { partition in
                cmpi_allgatherv(part.baseAddress, whole.baseAddress, partition, handle, mode)
            }
        case .alltoall(let send, let recv):
            return cmpi_alltoall(
                send.baseAddress, recv.baseAddress, send.count / size, handle, mode)
        case .alltoallv(let send, let sendPartition, let recv, let recvPartition, let width):
            return withShim(sendPartition, width) { sends in
                withShim(recvPartition, width) { recvs in
                    cmpi_alltoallv(send.baseAddress, sends, recv.baseAddress, recvs, handle, mode)
                }
            }
        case .reduce(let send, let result, let reduction, let root):
            return withShim(reduction, send, result, mode) {
                cmpi_reduce($0, Int32(root), handle, mode)
            }
        case .allreduce(let send, let result, let reduction):
            return withShim(reduction, send, result, mode) { cmpi_allreduce($0, handle, mode) }
        case .scan(let send, let result, let reduction):
            return withShim(reduction, send, result, mode) { cmpi_scan($0, handle, mode) }
        case .exscan(let send, let result, let reduction):
            return withShim(reduction, send, result, mode) { cmpi_exscan($0, handle, mode) }
        case .reduceScatter(let send, let result, let partition, let reduction):
            return try reduceScatter(send, result, partition, reduction, mode)
        }
    }

    /// MPI_Reduce_scatter takes its parts from one dense vector, each counted by an int. Others are
    /// an MPI_Reduce per part, or, as one request stands for one call, an MPI_Iallreduce on a dense
    /// copy, of which each rank takes its part.
    private func reduceScatter(
        _ send: UnsafeRawBufferPointer, _ result: UnsafeMutableRawBufferPointer,
        _ partition: Partition, _ reduction: RawReduction, _ mode: cmpi_mode
    ) throws(MPIError) -> Int32 {
        let isNative =
            partition == Partition(counts: partition.counts)
            && partition.counts.allSatisfy { $0 <= MPILibrary.countLimit }
        if isNative {
            return withShim(reduction, send, result, mode) { reduction in
                partition.counts.withUnsafeBufferPointer {
                    cmpi_reduce_scatter(reduction, $0.baseAddress, handle, mode)
                }
            }
        }
        let width = reduction.elementSize
        if mode.request != nil {
            return packedReduceScatter(send, result, partition, reduction, mode)
        }
        for root in 0..<size {
            let part = send.part(partition.offsets[root] * width, partition.counts[root] * width)
            let code = withShim(reduction, part, result, mode) {
                cmpi_reduce($0, Int32(root), handle, mode)
            }
            if code != CMPI_SUCCESS { return code }
        }
        return CMPI_SUCCESS
    }

    private func packedReduceScatter(
        _ send: UnsafeRawBufferPointer, _ result: UnsafeMutableRawBufferPointer,
        _ partition: Partition, _ reduction: RawReduction, _ mode: cmpi_mode
    ) -> Int32 {
        let width = reduction.elementSize
        let dense = Partition(counts: partition.counts)
        let byteCount = dense.extent * width
        guard let vector = malloc(max(1, byteCount)) else { return CMPI_NO_MEMORY }
        let packed = UnsafeMutableRawBufferPointer(start: vector, count: byteCount)
        for rank in 0..<size {
            let length = partition.counts[rank] * width
            packed.part(dense.offsets[rank] * width, length)
                .copyMemory(from: send.part(partition.offsets[rank] * width, length))
        }
        return withShim(reduction, UnsafeRawBufferPointer(packed), packed, mode) {
            cmpi_reduce_scatter_packed(
                $0,
                cmpi_packed(
                    vector: vector, part: vector + dense.offsets[rank] * width,
                    result: result.baseAddress, byte_count: result.count), handle, mode)
        }
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
