// All-to-all: everything posted at once, each rank starting with another peer.

extension Communicator {
    /// Direct: 1 step, (size − 1) messages of n bytes each way, all in flight.
    public func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        guard send.count == recv.count, send.count % size == 0 else {
            throw .invalidArgument(
                "alltoall",
                "buffers of \(send.count) and \(recv.count) bytes; both must hold \(size) equal "
                    + "parts")
        }
        let call = try beginCollective(.alltoall, root: nil)
        let parts = Partition(count: send.count / size, parts: size)
        try directAlltoallv(send, parts, into: recv, parts, elementSize: 1, skipsEmpty: false, call)
    }

    /// Direct, as `alltoall`; empty parts, of which both sides know, send nothing.
    public func alltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int
    ) throws(MPIError) {
        try checkPartition(
            sendPartition, byteCount: send.count, elementSize: elementSize, "alltoallv")
        try checkPartition(
            recvPartition, byteCount: recv.count, elementSize: elementSize, "alltoallv")
        guard sendPartition.counts[rank] == recvPartition.counts[rank] else {
            throw .invalidArgument(
                "alltoallv",
                "this rank sends itself \(sendPartition.counts[rank]) elements but expects "
                    + "\(recvPartition.counts[rank])")
        }
        let call = try beginCollective(.alltoallv, root: nil)
        try directAlltoallv(
            send, sendPartition, into: recv, recvPartition, elementSize: elementSize,
            skipsEmpty: true, call)
    }

    private func directAlltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int,
        skipsEmpty: Bool, _ call: CollectiveCall
    ) throws(MPIError) {
        var step = PostedStep(capacity: 2 * size)
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            let count = recvPartition.counts[peer]
            if skipsEmpty && count == 0 { continue }
            try step.recv(
                into: recv.part(recvPartition.offsets[peer] * elementSize, count * elementSize),
                from: peer, call, on: self)
        }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            let count = sendPartition.counts[peer]
            if skipsEmpty && count == 0 { continue }
            try step.send(
                send.part(sendPartition.offsets[peer] * elementSize, count * elementSize),
                to: peer, call, on: self)
        }
        recv.part(
            recvPartition.offsets[rank] * elementSize, recvPartition.counts[rank] * elementSize
        ).fill(
            from: send.part(
                sendPartition.offsets[rank] * elementSize, sendPartition.counts[rank] * elementSize)
        )
        try finish(step, call)
    }
}
