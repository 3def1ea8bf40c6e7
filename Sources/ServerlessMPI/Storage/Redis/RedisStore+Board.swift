// Collectives on Redis: a hash per call holds what each rank brings; who brings the last part tells
// the others, who until then sleep on their inboxes. Two round trips, whatever the number of ranks.

import MessagePassing

extension RedisStore {
    /// KEYS[1] board; ARGV: rank, expiry, entry. Returns how many have come.
    private static let putScript = """
        redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return redis.call('HLEN', KEYS[1])
        """

    /// Call and history, then the part.
    private static let headByteCount = 8 * (1 + BoardEntry.historyCount)

    private func boardKey(_ entry: BoardEntry) -> String {
        "\(prefix)board:\(entry.contextID):\(entry.sequence)"
    }

    /// The payload goes in once, the others' inboxes get its address.
    func bcast(
        _ entry: BoardEntry, _ buffer: UnsafeMutableRawBufferPointer, root: Int,
        _ meeting: Meeting
    ) throws(MPIError) {
        let world = meeting.communicator
        guard world.rank == root else {
            var step = PostedStep(capacity: 1)
            try step.recv(into: buffer, from: root, meeting.call, on: world)
            return try world.finish(step, meeting.call)
        }
        let payload = UnsafeRawBufferPointer(buffer)
        var frame = StoredFrame()
        frame.sender = rank
        frame.contextID = entry.contextID
        frame.source = world.rank
        frame.call = entry.call
        frame.payloadByteCount = payload.count
        frame.number = number(to: rank)
        do throws(MPIError) {
            try monitor.withLock { () throws(MPIError) in
                if payload.count > Self.inlineByteCountMax {
                    frame.place = .shared
                    try appendParts(payload) { partKey(sender: rank, frame.number, $0) }
                }
                for peer in 0..<world.size where peer != root {
                    try append(frame, payload, to: world.space.group[peer])
                }
                try send(meeting.deadline)
            }
        } catch {
            throw world.engine.fail(error)
        }
    }

    func meet(
        _ entry: BoardEntry, _ part: UnsafeRawBufferPointer,
        into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?,
        _ meeting: Meeting
    ) throws(MPIError) {
        let world = meeting.communicator
        let key = boardKey(entry)
        var writer = ByteWriter()
        writer.write(entry.call)
        for call in entry.history { writer.write(call) }
        var value = writer.bytes
        value.append(contentsOf: part)
        let words = ["EVAL", Self.putScript, "1", key, String(world.rank), expiryMilliseconds]
        let count = try engineFails(world) { () throws(MPIError) in
            try monitor.withLock { () throws(MPIError) in
                try value.span.withUnsafeBytes { (value) throws(MPIError) in
                    try commands.call(words, value, deadline: meeting.deadline).value.integer
                }
            }
        }
        meter.write(part.count)
        if count == world.size {
            try release(entry, meeting)
        } else {
            // Whoever comes last says so; a message of another call fails the job.
            let nowhere = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            let release = try world.irecv(
                into: nowhere, from: .any, tag: 1, context: .collective(meeting.call))
            _ = try world.engine.wait(release) { self.absent(key, meeting) }
        }
        try collect(entry, into: whole, partition, key, meeting)
    }

    /// Who has not come, in words.
    private func absent(_ key: String, _ meeting: Meeting) -> String {
        let reply = monitor.withLock {
            try? commands.call(["HKEYS", key], deadline: .now + .seconds(5))
        }
        let present = Set((reply?.value.elements ?? []).compactMap(\.text).compactMap { Int($0) })
        let missing = (0..<meeting.size).filter { !present.contains($0) }.prefix(8)
        return "rank \(missing.map(String.init).joined(separator: ", ")) in \(meeting.call)"
    }

    private func release(_ entry: BoardEntry, _ meeting: Meeting) throws(MPIError) {
        let world = meeting.communicator
        var frame = StoredFrame()
        frame.sender = rank
        frame.contextID = entry.contextID
        frame.source = world.rank
        frame.tag = 1
        frame.call = entry.call
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        try engineFails(world) { () throws(MPIError) in
            try monitor.withLock { () throws(MPIError) in
                for peer in 0..<world.size where peer != world.rank {
                    try append(frame, nothing, to: world.space.group[peer])
                }
                // All have entered this call, so all have left the one before.
                if let old = metBoards.updateValue(boardKey(entry), forKey: entry.contextID) {
                    try commands.append(["UNLINK", old])
                    meter.removal()
                }
                try send(meeting.deadline)
            }
        }
    }

    private func collect(
        _ entry: BoardEntry, into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?,
        _ key: String, _ meeting: Meeting
    ) throws(MPIError) {
        let world = meeting.communicator
        let reply = try engineFails(world) { () throws(MPIError) in
            try monitor.withLock { () throws(MPIError) in
                try commands.call(["HGETALL", key], deadline: meeting.deadline)
            }
        }
        meter.read()
        let fields = reply.value.elements
        var seen = 1
        for index in stride(from: 0, to: fields.count - 1, by: 2) {
            guard let peer = fields[index].text.flatMap({ Int($0) }), peer != world.rank,
                (0..<world.size).contains(peer)
            else { continue }
            try fields[index + 1].withBytes { (bytes) throws(MPIError) in
                guard bytes.count >= Self.headByteCount else { return }
                seen += 1
                try take(bytes, from: peer, into: whole, partition, meeting)
            }
        }
        guard seen == world.size else {
            throw world.engine.fail(
                MPIError(
                    .system, operation: meeting.call.name,
                    reason: "the board has \(seen) parts of \(world.size); did it expire?"))
        }
    }

    /// What one rank has put on the board: its calls, then its part.
    private func take(
        _ bytes: UnsafeRawBufferPointer, from peer: Int,
        into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?, _ meeting: Meeting
    ) throws(MPIError) {
        let calls = (0...BoardEntry.historyCount).map {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self))
        }
        try meeting.compare(call: calls[0], history: Array(calls.dropFirst()), from: peer)
        let part = bytes.part(Self.headByteCount, bytes.count - Self.headByteCount)
        meter.readBytes(part.count)
        guard let partition else { return }
        guard part.count == partition.counts[peer] else {
            try meeting.communicator.disagree(
                with: peer, meeting.call, expected: partition.counts[peer], sent: part.count)
        }
        whole.part(partition.offsets[peer], part.count).copyMemory(from: part)
    }

    private func engineFails<Result>(
        _ world: StorageCommunicator, _ body: () throws(MPIError) -> Result
    ) throws(MPIError) -> Result {
        do throws(MPIError) {
            return try body()
        } catch {
            throw world.engine.fail(error)
        }
    }
}
