// Collectives for a store. Its round trips are long and its bandwidth to many readers is large, so
// everything that all ranks need is written once and read by all, and nothing is passed on from
// rank to rank: two round trips, where a tree or a ring takes log₂ size or size of them. What goes
// from one rank to one other (gather, scatter, alltoall) is the default: all messages at once.

import MessagePassing

extension StorageCommunicator {
    /// Up to so many bytes in all a reduction reads everybody's vectors; beyond, each rank combines
    /// one block, and the blocks are read.
    private static let gatheredByteCountMax = 4 << 20

    public func run(_ collective: Collective) throws(MPIError) {
        switch collective {
        case .barrier: try barrier()
        case .bcast(let buffer, let root): try bcast(buffer, root: root)
        case .allgather(let part, let whole): try allgather(part, into: whole)
        case .allgatherv(let part, let whole, let partition, let elementSize):
            try allgatherv(part, into: whole, partition: partition, elementSize: elementSize)
        case .reduce(let send, let result, let reduction, let root):
            try reduce(send, into: result, reduction, root: root)
        case .allreduce(let send, let result, let reduction):
            try allreduce(send, into: result, reduction)
        case .scan(let send, let result, let reduction):
            try scan(send, into: result, reduction)
        case .exscan(let send, let result, let reduction):
            try exscan(send, into: result, reduction)
        default: try runByDefault(collective)
        }
    }

    public func algorithm(of collective: Collective) -> CollectiveAlgorithm {
        switch collective {
        case .barrier, .bcast, .allgather, .allgatherv, .reduce, .allreduce, .scan, .exscan:
            size == 1 ? .local : .native
        default: collective.defaultAlgorithm(size: size, algorithmChoice)
        }
    }

    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        throw MPIError(
            .unsupported, operation: "ssend",
            reason: "a store does not tell when a message has been received")
    }

    public func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        try engine.start(try schedule(collective))
    }

    /// How long this call may take.
    private func meeting(_ call: CollectiveCall) -> Meeting {
        Meeting(communicator: self, call: call, deadline: .now + engine.timeout)
    }

    private func meet(
        _ call: CollectiveCall, _ part: UnsafeRawBufferPointer,
        into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?
    ) throws(MPIError) {
        if size == 1 { return }
        try engine.store.meet(
            engine.entry(in: space, call), part, into: whole, partition, meeting(call))
    }

    /// One write per rank and one listing (S3) or message from the last to come (Redis).
    public func barrier() throws(MPIError) {
        let call = try beginCollective(.barrier, root: nil)
        try meet(
            call, UnsafeRawBufferPointer(start: nil, count: 0),
            into: UnsafeMutableRawBufferPointer(start: nil, count: 0), nil)
    }

    /// One write of n bytes, size − 1 reads at once.
    public func bcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws(MPIError) {
        try checkRoot(root, .bcast)
        let call = try beginCollective(.bcast, root: root)
        if size == 1 { return }
        try engine.store.bcast(engine.entry(in: space, call), buffer, root: root, meeting(call))
    }

    /// One write of n bytes and size − 1 reads per rank.
    public func allgather(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer
    ) throws(MPIError) {
        try checkWhole(whole.count, ofParts: part.count, .allgather)
        let call = try beginCollective(.allgather, root: nil)
        whole.part(part.count * rank, part.count).fill(from: part)
        try meet(call, part, into: whole, Partition(count: part.count, parts: size))
    }

    /// As `allgather`.
    public func allgatherv(
        _ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer,
        partition: Partition, elementSize: Int
    ) throws(MPIError) {
        try checkPartition(
            partition, byteCount: whole.count, elementSize: elementSize, .allgatherv)
        try checkPart(
            part.count, count: partition.counts[rank], elementSize: elementSize, .allgatherv)
        let call = try beginCollective(.allgatherv, root: nil)
        whole.part(partition.offsets[rank] * elementSize, part.count).fill(from: part)
        try meet(
            call, part, into: whole,
            Partition(
                counts: partition.counts.map { $0 * elementSize },
                displacements: partition.offsets.map { $0 * elementSize }))
    }

    /// Everybody's vector straight to the root, who combines them in rank order.
    public func reduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, root: Int
    ) throws(MPIError) {
        try checkRoot(root, .reduce)
        try checkReduction(send, rank == root ? result : nil, reduction, .reduce)
        let call = try beginCollective(.reduce, root: root)
        guard rank == root else {
            var step = PostedStep(capacity: 1)
            try step.send(send, to: root, call, on: self)
            return try finish(step, call)
        }
        let length = send.count
        try withScratch(byteCount: size * length) { (scratch) throws(MPIError) in
            var step = PostedStep(capacity: size)
            for peer in 0..<size where peer != rank {
                try step.recv(
                    into: scratch.part(peer * length, length), from: peer, call, on: self)
            }
            scratch.part(rank * length, length).fill(from: send)
            try finish(step, call)
            combine(scratch, length, upTo: size - 1, reduction)
            result.fill(from: UnsafeRawBufferPointer(scratch.part((size - 1) * length, length)))
        }
    }

    /// Short vectors as `allgather`, combined by every rank. Long ones in two steps: block r of
    /// everybody to rank r, who combines them, then an `allgather` of the blocks.
    public func allreduce(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, .allreduce)
        let call = try beginCollective(.allreduce, root: nil)
        if size * send.count <= Self.gatheredByteCountMax || reduction.elementSize == 0 {
            try gathered(send, call) { scratch in
                combine(scratch, send.count, upTo: size - 1, reduction)
                result.fill(
                    from: UnsafeRawBufferPointer(
                        scratch.part((size - 1) * send.count, send.count)))
            }
        } else {
            try allreduceByBlocks(send, into: result, reduction, call)
        }
    }

    private func allreduceByBlocks(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction, _ call: CollectiveCall
    ) throws(MPIError) {
        let width = reduction.elementSize
        let count = send.count / width
        let counts = (0..<size).map { ((($0 + 1) * count) / size - ($0 * count) / size) * width }
        let blocks = Partition(counts: counts)
        let mine = counts[rank]
        try withScratch(byteCount: size * mine) { (scratch) throws(MPIError) in
            var step = PostedStep(capacity: 2 * size)
            for peer in 0..<size where peer != rank {
                try step.recv(into: scratch.part(peer * mine, mine), from: peer, call, on: self)
            }
            for distance in 1..<size {
                let peer = (rank + distance) % size
                try step.send(
                    send.part(blocks.offsets[peer], counts[peer]), to: peer, call, on: self)
            }
            scratch.part(rank * mine, mine).fill(from: send.part(blocks.offsets[rank], mine))
            try finish(step, call)
            combine(scratch, mine, upTo: size - 1, reduction)
            let block = UnsafeRawBufferPointer(scratch.part((size - 1) * mine, mine))
            result.part(blocks.offsets[rank], mine).fill(from: block)
            try meet(call, block, into: result, blocks)
        }
    }

    /// As a short `allreduce`; every rank combines what comes before it.
    public func scan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, .scan)
        let call = try beginCollective(.scan, root: nil)
        try gathered(send, call) { scratch in
            combine(scratch, send.count, upTo: rank, reduction)
            result.fill(
                from: UnsafeRawBufferPointer(scratch.part(rank * send.count, send.count)))
        }
    }

    public func exscan(
        _ send: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer,
        _ reduction: RawReduction
    ) throws(MPIError) {
        try checkReduction(send, result, reduction, .exscan)
        let call = try beginCollective(.exscan, root: nil)
        try gathered(send, call) { scratch in
            guard rank > 0 else { return }
            combine(scratch, send.count, upTo: rank - 1, reduction)
            result.fill(
                from: UnsafeRawBufferPointer(scratch.part((rank - 1) * send.count, send.count)))
        }
    }

    /// Calls `body` with everybody's vectors, one after the other.
    private func gathered(
        _ send: UnsafeRawBufferPointer, _ call: CollectiveCall,
        _ body: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(MPIError) {
        let length = send.count
        try withScratch(byteCount: size * length) { (scratch) throws(MPIError) in
            scratch.part(rank * length, length).fill(from: send)
            try meet(call, send, into: scratch, Partition(count: length, parts: size))
            body(scratch)
        }
    }

    /// Vector `last` becomes the combination of vectors 0 ... `last`, in this order.
    private func combine(
        _ scratch: UnsafeMutableRawBufferPointer, _ length: Int, upTo last: Int,
        _ reduction: RawReduction
    ) {
        for index in 1..<max(last + 1, 1) {
            reduction.combine(
                lower: UnsafeRawBufferPointer(scratch.part((index - 1) * length, length)),
                into: scratch.part(index * length, length))
        }
    }
}
