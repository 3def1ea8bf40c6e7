// All-to-all: everything posted at once, each rank starting with another peer.

extension CollectiveSteps {
    /// Direct: 1 step, (size − 1) messages of n bytes each way, all in flight.
    mutating func alltoall(
        _ send: UnsafeRawBufferPointer, into recv: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        let parts = EqualParts(count: send.count / size)
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
        _ send: UnsafeRawBufferPointer, _ sendPartition: some PartLayout,
        into recv: UnsafeMutableRawBufferPointer, _ recvPartition: some PartLayout,
        elementSize: Int, skipsEmpty: Bool
    ) throws(MPIError) {
        for distance in 1..<max(size, 1) {
            let peer = (rank - distance + size) % size
            if skipsEmpty && recvPartition.count(of: peer) == 0 { continue }
            try self.recv(
                into: recvPartition.part(of: recv, peer, elementSize), from: peer, step: 0)
        }
        for distance in 1..<max(size, 1) {
            let peer = (rank + distance) % size
            if skipsEmpty && sendPartition.count(of: peer) == 0 { continue }
            try self.send(sendPartition.part(of: send, peer, elementSize), to: peer, step: 0)
        }
        copy(
            sendPartition.part(of: send, rank, elementSize),
            to: recvPartition.part(of: recv, rank, elementSize))
    }
}
