// One operation at one length on one rank: its buffers, one execution of it, and what must have
// arrived after it.
import MessagePassing

struct LadderRung: ~Copyable {
    private let world: any Communicator
    private let operation: LadderOperation
    private let byteCount: Int
    private let window: Int
    private let send: UnsafeMutableRawBufferPointer
    private let recv: UnsafeMutableRawBufferPointer
    private let partition: Partition
    private let reduction: RawReduction
    private let sumsFloats: Bool

    init(_ world: any Communicator, _ operation: LadderOperation, _ byteCount: Int) {
        self.world = world
        self.operation = operation
        self.byteCount = byteCount
        window = LadderOperation.window(byteCount)
        let parts = operation == .allgather || operation == .alltoallv ? world.size : 1
        send = .allocate(byteCount: max(1, byteCount * parts), alignment: 4096)
        recv = .allocate(byteCount: max(1, byteCount * parts), alignment: 4096)
        partition = Partition(count: byteCount, parts: world.size)
        sumsFloats = byteCount % 4 == 0
        reduction = sumsFloats ? Reduction<Float>.sum.raw : Reduction<UInt8>.sum.raw
        send.initializeMemory(as: UInt8.self, repeating: 0)
        recv.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        send.deallocate()
        recv.deallocate()
    }

    /// Executes it `count` times in a row, beginning with root `first` where there is one.
    func run(_ count: Int, first: Int = 0) throws(MPIError) {
        switch operation {
        case .pingpong: try pingPong(count)
        case .bandwidth: try stream(count, bothWays: false)
        case .bidirectional: try stream(count, bothWays: true)
        default: for turn in 0..<count { try collective(root: (first + turn) % world.size) }
        }
    }

    private func collective(root: Int) throws(MPIError) {
        let outgoing = UnsafeRawBufferPointer(part(send))
        switch operation {
        case .barrier: try world.barrier()
        case .bcast: try world.bcast(world.rank == root ? part(send) : part(recv), root: root)
        case .reduce: try world.reduce(outgoing, into: part(recv), reduction, root: root)
        case .allreduce: try world.allreduce(outgoing, into: part(recv), reduction)
        case .allgather: try world.allgather(outgoing, into: whole(recv))
        case .alltoallv:
            try world.alltoallv(
                UnsafeRawBufferPointer(whole(send)), partition, into: whole(recv), partition,
                elementSize: 1)
        case .pingpong, .bandwidth, .bidirectional: break
        }
    }

    private func part(_ buffer: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount])
    }

    private func whole(_ buffer: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<(byteCount * world.size)])
    }
}

// MARK: Two ranks

extension LadderRung {
    private func pingPong(_ count: Int) throws(MPIError) {
        guard world.rank < 2 else { return }
        let peer = 1 - world.rank
        for _ in 0..<count {
            if world.rank == 0 { try sendOne(to: peer) }
            _ = try world.recv(
                into: part(recv), from: .rank(peer), tag: .zero, context: .pointToPoint)
            if world.rank == 1 { try sendOne(to: peer) }
        }
    }

    private func sendOne(to peer: Int) throws(MPIError) {
        try world.send(
            UnsafeRawBufferPointer(part(send)), to: .rank(peer), tag: .zero,
            context: .pointToPoint)
    }

    /// A window of sends from rank 0 (from both), then an answer of no bytes.
    private func stream(_ count: Int, bothWays: Bool) throws(MPIError) {
        guard world.rank < 2 else { return }
        let peer = 1 - world.rank
        let answer = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        let outgoing = UnsafeRawBufferPointer(part(send))
        for _ in 0..<count {
            var requests: [RequestHandle] = []
            requests.reserveCapacity(2 * window)
            if bothWays || world.rank == 1 {
                for _ in 0..<window {
                    requests.append(
                        try world.irecv(
                            into: part(recv), from: .rank(peer), tag: .zero,
                            context: .pointToPoint))
                }
            }
            if bothWays || world.rank == 0 {
                for _ in 0..<window {
                    requests.append(
                        try world.isend(
                            outgoing, to: .rank(peer), tag: .zero, context: .pointToPoint))
                }
            }
            try finish(requests)
            if world.rank == 0 {
                _ = try world.recv(
                    into: answer, from: .rank(peer), tag: 1, context: .pointToPoint)
            } else {
                try world.send(
                    UnsafeRawBufferPointer(answer), to: .rank(peer), tag: 1,
                    context: .pointToPoint)
            }
        }
    }

    private func finish(_ requests: [RequestHandle]) throws(MPIError) {
        try requests.span.withUnsafeBufferPointer { (requests) throws(MPIError) in
            try world.waitAll(requests, statuses: UnsafeMutableBufferPointer(start: nil, count: 0))
        }
    }

    /// Messages of one execution whose times add up; 1 for a collective.
    var messagesPerRun: Int {
        switch operation {
        case .pingpong: 2
        case .bandwidth, .bidirectional: window
        default: 1
        }
    }
}

// MARK: What must arrive

extension LadderRung {
    /// Collective. Executes it once with data that tells sender, place and receiver, and looks at
    /// every byte that came.
    func verify() throws {
        fill()
        for root in 0..<(operation == .bcast || operation == .reduce ? world.size : 1) {
            recv.initializeMemory(as: UInt8.self, repeating: 0xEE)
            try run(1, first: root)
            try check(root: root)
        }
    }

    /// Small enough for a sum over all ranks to be exact, and to stay in a byte.
    private func value(from rank: Int, to peer: Int, at index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: (rank * 7 + peer * 3 + index % 251) % 13)
    }

    private func fill() {
        switch operation {
        case .reduce, .allreduce:
            forEachElement { index in store(value(from: world.rank, to: 0, at: index), at: index) }
        case .alltoallv:
            for peer in 0..<world.size {
                for index in 0..<byteCount {
                    send[peer * byteCount + index] = value(from: world.rank, to: peer, at: index)
                }
            }
        default:
            for index in 0..<byteCount { send[index] = value(from: world.rank, to: 0, at: index) }
        }
    }

    private func check(root: Int) throws {
        let (rank, size) = (world.rank, world.size)
        switch operation {
        case .barrier: return
        case .pingpong, .bidirectional:
            if rank < 2 { try expect(from: 1 - rank) { value(from: 1 - rank, to: 0, at: $0) } }
        case .bandwidth:
            if rank == 1 { try expect(from: 0) { value(from: 0, to: 0, at: $0) } }
        case .bcast:
            if rank != root { try expect(from: root) { value(from: root, to: 0, at: $0) } }
        case .reduce where rank != root: return
        case .reduce, .allreduce: try expectSum(size)
        case .allgather:
            for peer in 0..<size {
                try expect(part: peer, from: peer) { value(from: peer, to: 0, at: $0) }
            }
        case .alltoallv:
            for peer in 0..<size {
                try expect(part: peer, from: peer) { value(from: peer, to: rank, at: $0) }
            }
        }
    }

    private func expect(part: Int = 0, from sender: Int, _ expected: (Int) -> UInt8) throws {
        for index in 0..<byteCount where recv[part * byteCount + index] != expected(index) {
            throw LadderError(
                "rank \(world.rank), \(operation.rawValue) of \(byteCount) bytes: byte \(index) "
                    + "from rank \(sender) is \(recv[part * byteCount + index]), not "
                    + "\(expected(index))")
        }
    }

    private func expectSum(_ size: Int) throws {
        var wrong: Int?
        forEachElement { index in
            let sum = (0..<size).reduce(0) { $0 + Int(value(from: $1, to: 0, at: index)) }
            if wrong == nil && !isStored(sum, at: index) { wrong = index }
        }
        if let wrong {
            throw LadderError(
                "rank \(world.rank), \(operation.rawValue) of \(byteCount) bytes: element "
                    + "\(wrong) is not the sum")
        }
    }

    private func forEachElement(_ body: (Int) -> Void) {
        for index in 0..<(sumsFloats ? byteCount / 4 : byteCount) { body(index) }
    }

    private func store(_ value: UInt8, at index: Int) {
        if sumsFloats {
            send.storeBytes(of: Float(value), toByteOffset: 4 * index, as: Float.self)
        } else {
            send[index] = value
        }
    }

    private func isStored(_ sum: Int, at index: Int) -> Bool {
        sumsFloats
            ? recv.load(fromByteOffset: 4 * index, as: Float.self) == Float(sum)
            : recv[index] == UInt8(truncatingIfNeeded: sum)
    }
}
