// All-to-all: everything posted at once, each rank starting with another peer.

extension CollectiveSteps {
    /// Direct: 1 step, (size − 1) messages of n bytes each way, all in flight.
    mutating func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        let parts = Partition(count: send.count / size, parts: size)
        try directAlltoallv(send, parts, into: recv, parts, elementSize: 1, skipsEmpty: false)
    }

    /// Direct, as `alltoall`; empty parts, of which both sides know, send nothing.
    mutating func alltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int
    ) throws(MPIError) {
        try directAlltoallv(
            send, sendPartition, into: recv, recvPartition, elementSize: elementSize,
            skipsEmpty: true)
    }

    private mutating func directAlltoallv(
        _ send: UnsafeRawBufferPointer, _ sendPartition: Partition,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: Partition, elementSize: Int,
        skipsEmpty: Bool
    ) throws(MPIError) {
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            let count = recvPartition.counts[peer]
            if skipsEmpty && count == 0 { continue }
            try self.recv(
                into: recv.part(recvPartition.offsets[peer] * elementSize, count * elementSize),
                from: peer, step: 0)
        }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            let count = sendPartition.counts[peer]
            if skipsEmpty && count == 0 { continue }
            try self.send(
                send.part(sendPartition.offsets[peer] * elementSize, count * elementSize),
                to: peer, step: 0)
        }
        copy(
            send.part(
                sendPartition.offsets[rank] * elementSize,
                sendPartition.counts[rank] * elementSize),
            to: recv.part(
                recvPartition.offsets[rank] * elementSize,
                recvPartition.counts[rank] * elementSize))
    }
}
