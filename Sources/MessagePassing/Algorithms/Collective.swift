// A collective call as a value: what it is, on which memory. Checking its arguments and choosing
// its algorithm are written once for the blocking and the nonblocking form.

/// One rank's call of a collective, on bytes. The memory stays valid, and what is written is not
/// touched, until the call is complete. Rules of each are those of the method of the same name.
public enum Collective {
    case barrier
    case bcast(UnsafeMutableRawBufferPointer, root: Int)
    case gather(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, root: Int)
    case gatherv(
        UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, partition: Partition,
        elementSize: Int, root: Int)
    case scatter(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, root: Int)
    case scatterv(
        UnsafeRawBufferPointer, partition: Partition, into: UnsafeMutableRawBufferPointer,
        elementSize: Int, root: Int)
    case allgather(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer)
    case allgatherv(
        UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, partition: Partition,
        elementSize: Int)
    case alltoall(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer)
    case alltoallv(
        UnsafeRawBufferPointer, Partition, into: UnsafeMutableRawBufferPointer, Partition,
        elementSize: Int)
    case reduce(
        UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, RawReduction, root: Int)
    case allreduce(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, RawReduction)
    case reduceScatter(
        UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, partition: Partition,
        RawReduction)
    case scan(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, RawReduction)
    case exscan(UnsafeRawBufferPointer, into: UnsafeMutableRawBufferPointer, RawReduction)

    public var operation: CollectiveOperation {
        switch self {
        case .barrier: .barrier
        case .bcast: .bcast
        case .gather: .gather
        case .gatherv: .gatherv
        case .scatter: .scatter
        case .scatterv: .scatterv
        case .allgather: .allgather
        case .allgatherv: .allgatherv
        case .alltoall: .alltoall
        case .alltoallv: .alltoallv
        case .reduce: .reduce
        case .allreduce: .allreduce
        case .reduceScatter: .reduceScatter
        case .scan: .scan
        case .exscan: .exscan
        }
    }

    /// Nil for operations without one.
    public var root: Int? {
        switch self {
        case .bcast(_, let root), .gather(_, _, let root), .gatherv(_, _, _, _, let root),
            .scatter(_, _, let root), .scatterv(_, _, _, _, let root), .reduce(_, _, _, let root):
            root
        default: nil
        }
    }

    /// Chooses the algorithm and says its steps.
    package borrowing func perform(by steps: inout some CollectiveSteps) throws(MPIError) {
        switch self {
        case .barrier:
            try steps.barrier()
        case .bcast(let buffer, let root):
            try steps.bcast(buffer, root: root)
        case .gather(let part, let whole, let root):
            try steps.gather(
                part, into: whole, EqualParts(count: part.count), elementSize: 1, root: root)
        case .gatherv(let part, let whole, let partition, let elementSize, let root):
            try steps.gather(
                part, into: whole, partition, elementSize: elementSize, root: root)
        case .scatter(let whole, let part, let root):
            try steps.scatter(
                whole, EqualParts(count: part.count), into: part,
                elementSize: 1, root: root)
        case .scatterv(let whole, let partition, let part, let elementSize, let root):
            try steps.scatter(
                whole, partition, into: part, elementSize: elementSize, root: root)
        case .allgather(let part, let whole):
            try steps.allgather(part, into: whole)
        case .allgatherv(let part, let whole, let partition, let elementSize):
            try steps.allgatherv(part, into: whole, partition, elementSize: elementSize)
        case .alltoall(let send, let recv):
            try steps.alltoall(send, into: recv)
        case .alltoallv(let send, let sendPartition, let recv, let recvPartition, let width):
            try steps.alltoallv(
                send, sendPartition, into: recv, recvPartition, elementSize: width)
        case .reduce(let send, let result, let reduction, let root):
            try steps.reduce(send, into: result, reduction, root: root)
        case .allreduce(let send, let result, let reduction):
            try steps.allreduce(send, into: result, reduction)
        case .reduceScatter(let send, let result, let partition, let reduction):
            try steps.reduceScatter(send, into: result, partition, reduction)
        case .scan(let send, let result, let reduction):
            try steps.scan(send, into: result, reduction)
        case .exscan(let send, let result, let reduction):
            try steps.exscan(send, into: result, reduction)
        }
    }
}
