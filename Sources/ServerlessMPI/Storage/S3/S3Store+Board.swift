// Collectives on S3: an object per call and rank, named so that a listing alone tells who has come
// and with which call. What all need is written once and read by all, in parallel.

import AWSClient
import Glibc
import MessagePassing

extension S3Store {
    private func boardPrefix(_ entry: BoardEntry) -> String {
        "\(folder)board/\(String(entry.contextID, radix: 16))/\(entry.sequence)/"
    }

    /// `RANK-CALL-BEFORE-BEFORE-BEFORE`, calls in hexadecimal.
    private func boardName(_ entry: BoardEntry, rank: Int) -> String {
        let calls = [entry.call] + entry.history
        return "\(rank)-" + calls.map { String($0, radix: 16) }.joined(separator: "-")
    }

    private func parse(_ name: Substring) -> (rank: Int, calls: [UInt64])? {
        let words = name.split(separator: "-")
        guard words.count == 2 + BoardEntry.historyCount, let rank = Int(words[0]) else {
            return nil
        }
        return (rank, words.dropFirst().compactMap { UInt64($0, radix: 16) })
    }

    func bcast(
        _ entry: BoardEntry, _ buffer: UnsafeMutableRawBufferPointer, root: Int,
        _ meeting: Meeting
    ) throws(MPIError) {
        let key = boardPrefix(entry) + boardName(entry, rank: root)
        try failing(meeting) { () throws(MPIError) in
            if meeting.communicator.rank == root {
                try write(
                    key, UnsafeRawBufferPointer(buffer), String(buffer.count),
                    deadline: meeting.deadline)
                remember(key, entry, isMeeting: false)
            } else {
                try readWhenThere(key, into: buffer, from: root, entry, meeting)
            }
        }
    }

    /// Asks for an object until it is there; now and then lists the call's folder instead, where
    /// the object of a rank that calls something else has another name.
    private func readWhenThere(
        _ key: String, into buffer: UnsafeMutableRawBufferPointer, from root: Int,
        _ entry: BoardEntry, _ meeting: Meeting
    ) throws(MPIError) {
        var pause = Self.pauseMin
        var attempt = 0
        while true {
            attempt += 1
            let first = buffer.part(0, min(buffer.count, Self.firstReadByteCount))
            if try readPart(key, first, at: 0, of: buffer.count, from: root, meeting) { break }
            if attempt % 8 == 0 { _ = try whoIsThere(entry, meeting) }
            try checkCause(meeting.communicator.engine)
            try meeting.check(missing: [root])
            sleep(pause)
            pause = min(pause * 2, Self.pauseMax)
        }
        let starts = Array(
            stride(
                from: Self.firstReadByteCount, to: max(buffer.count, Self.firstReadByteCount),
                by: Self.firstReadByteCount))
        let target = ForeignTarget(buffer)
        let total = buffer.count
        try inParallel(starts) { [self] (start) throws(MPIError) in
            let part = target.bytes.part(start, min(Self.firstReadByteCount, total - start))
            _ = try readPart(key, part, at: start, of: total, from: root, meeting)
        }
    }

    func meet(
        _ entry: BoardEntry, _ part: UnsafeRawBufferPointer,
        into whole: UnsafeMutableRawBufferPointer, _ partition: Partition?,
        _ meeting: Meeting
    ) throws(MPIError) {
        let prefix = boardPrefix(entry)
        let me = meeting.communicator.rank
        try failing(meeting) { () throws(MPIError) in
            let own = prefix + boardName(entry, rank: me)
            try write(own, part, String(part.count), deadline: meeting.deadline)
            try awaitEverybody(entry, meeting)
            remember(own, entry, isMeeting: true)
            guard let partition else { return }
            let peers = (0..<meeting.size).filter { $0 != me }
            let target = ForeignTarget(whole)
            try inParallel(peers) { [self] (peer) throws(MPIError) in
                let count = partition.counts[peer]
                let key = prefix + boardName(entry, rank: peer)
                let place = target.bytes.part(partition.offsets[peer], count)
                guard
                    try readPart(key, place, at: 0, of: count, from: peer, meeting)
                else {
                    throw MPIError(
                        .system, operation: meeting.call.name, reason: "\(key) is gone")
                }
            }
        }
    }

    private func awaitEverybody(_ entry: BoardEntry, _ meeting: Meeting) throws(MPIError) {
        var pause = Self.pauseMin
        while true {
            let present = try whoIsThere(entry, meeting)
            if present.count == meeting.size { return }
            try checkCause(meeting.communicator.engine)
            try meeting.check(missing: (0..<meeting.size).filter { !present.contains($0) })
            sleep(pause)
            pause = min(pause * 2, Self.pauseMax)
        }
    }

    /// Ranks that have come to this call. Throws if one has come with another call.
    private func whoIsThere(_ entry: BoardEntry, _ meeting: Meeting) throws(MPIError) -> Set<Int> {
        let prefix = boardPrefix(entry)
        let listed = try translated(meeting.call.name) { () throws(AWSError) in
            try bucket.list(prefix, deadline: meeting.requestDeadline)
        }
        for _ in 0..<listed.requestCount { meter.write() }
        var present: Set<Int> = []
        for key in listed.keys {
            guard let (rank, calls) = parse(key.dropFirst(prefix.count)), let call = calls.first
            else { continue }
            try meeting.compare(call: call, history: Array(calls.dropFirst()), from: rank)
            present.insert(rank)
        }
        return present
    }

    /// Reads part of an object of `total` bytes; false if it is not there. An object of another
    /// length is a disagreement of the ranks.
    private func readPart(
        _ key: String, _ part: UnsafeMutableRawBufferPointer, at start: Int, of total: Int,
        from peer: Int, _ meeting: Meeting
    ) throws(MPIError) -> Bool {
        // One byte at least: an empty part is an object of one.
        let range = start..<start + max(1, part.count)
        let object = try withHead { () throws(MPIError) in
            meter.read()
            return try translated(meeting.call.name) { () throws(AWSError) in
                let deadline = meeting.requestDeadline
                if part.isEmpty { return try bucket.get(key, range: range, deadline: deadline) }
                return try bucket.get(key, range: range, into: part, deadline: deadline)
            }
        }
        guard let object else { return false }
        guard let sent = object.metadata("head").flatMap({ Int($0) }), sent == total else {
            try meeting.communicator.disagree(
                with: peer, meeting.call, expected: total,
                sent: object.metadata("head").flatMap { Int($0) })
        }
        meter.readBytes(part.count)
        return true
    }

    /// Own objects are removed once all ranks have come to a later meeting: then nobody reads them.
    private func remember(_ key: String, _ entry: BoardEntry, isMeeting: Bool) {
        let old = monitor.withLock { () -> [String] in
            let old = isMeeting ? metObjects[entry.contextID, default: []] : []
            if isMeeting { metObjects[entry.contextID] = [] }
            metObjects[entry.contextID, default: []].append(key)
            return old
        }
        remove(old)
    }

    private func inParallel<Item: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) throws(MPIError) -> Void
    ) throws(MPIError) {
        if items.isEmpty { return }
        let failures = ResultSlots<MPIError>(items.count)
        pool.runAll(
            items.enumerated().map { index, item in
                { @Sendable in
                    do throws(MPIError) { try body(item) } catch { failures[index] = error }
                }
            })
        for index in items.indices { if let failure = failures[index] { throw failure } }
    }

    /// What goes wrong with the store fails the job.
    private func failing(
        _ meeting: Meeting, _ body: () throws(MPIError) -> Void
    ) throws(MPIError) {
        do throws(MPIError) {
            try meeting.communicator.engine.waiting(body)
        } catch {
            throw meeting.communicator.engine.fail(error)
        }
    }

    private func sleep(_ pause: Duration) {
        usleep(UInt32(pause.components.attoseconds / 1_000_000_000_000))
    }
}
