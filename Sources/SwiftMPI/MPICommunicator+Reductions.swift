// Reductions (MPI 4.1 §6.9 to §6.11). MPI's own operations on its own types are MPI calls. A
// user-defined operation cannot be one: MPI calls back a C function without a context argument, in
// which no Swift closure can ride. Those run MessagePassing's default algorithms instead, on a
// duplicate of the communicator; all ranks take the same path, as the operation is the same.

import CMPIShim
import MessagePassing

extension MPICommunicator {
    /// MPI_Reduce (MPI 4.1 §6.9.1).
    public func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        try checkRoot(root, "reduce")
        try checkReduction(send, rank == root ? result : nil, reduction, "reduce")
        guard let native = native(reduction, send, result) else {
            return try DefaultAlgorithms(self).reduce(send, into: result, reduction, root: root)
        }
        try check(cmpi_reduce(native, Int32(root), handle, seconds), "reduce")
    }

    /// MPI_Allreduce (MPI 4.1 §6.9.6).
    public func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "allreduce")
        guard let native = native(reduction, send, result) else {
            return try DefaultAlgorithms(self).allreduce(send, into: result, reduction)
        }
        try check(cmpi_allreduce(native, handle, seconds), "allreduce")
    }

    /// MPI_Scan (MPI 4.1 §6.11.1).
    public func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "scan")
        guard let native = native(reduction, send, result) else {
            return try DefaultAlgorithms(self).scan(send, into: result, reduction)
        }
        try check(cmpi_scan(native, handle, seconds), "scan")
    }

    /// MPI_Exscan (MPI 4.1 §6.11.2).
    public func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, "exscan")
        guard let native = native(reduction, send, result) else {
            return try DefaultAlgorithms(self).exscan(send, into: result, reduction)
        }
        try check(cmpi_exscan(native, handle, seconds), "exscan")
    }

    /// The reduction as MPI knows it; nil if it does not.
    private func native(
        _ reduction: RawReduction, _ send: UnsafeRawBufferPointer,
        _ result: UnsafeMutableRawBufferPointer
    ) -> cmpi_reduction? {
        guard let operation = reduction.predefined, let datatype = reduction.datatype else {
            return nil
        }
        return cmpi_reduction(
            send: send.baseAddress, result: result.baseAddress,
            count: send.count / reduction.elementSize, type: Int32(datatype.rawValue),
            operation: Int32(operation.rawValue))
    }
}
