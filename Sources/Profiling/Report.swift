// The end of a profiled program: statistics to stderr, the timeline to a file. One file per job,
// written by rank 0; if the job fails, one per rank, as nobody can be sent anything then.

import CompactJSON
import Glibc
import MessagePassing

/// `body`, profiled if the environment asks for it:
///
/// - `MPI_STATISTICS=1`: the sums of every rank's calls, in its output on stderr at the end.
/// - `MPI_TRACE=FILE`: a timeline of all calls in the Trace Event format, which Perfetto and
///   Chrome's about:tracing show, ranks as rows.
public func profiled(
    _ body: @escaping @Sendable (any Communicator) throws -> Void
) -> @Sendable (any Communicator) throws -> Void {
    let trace = getenv("MPI_TRACE").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    let statistics = getenv("MPI_STATISTICS").map { String(cString: $0) } ?? ""
    let wantsStatistics = !["", "0", "no"].contains(statistics)
    if trace == nil && !wantsStatistics { return body }
    return { world in
        let profiled = ProfiledCommunicator(world, keepsEvents: trace != nil)
        do {
            try body(profiled)
        } catch {
            if let trace { try? profiled.writeOwnTrace("\(trace).rank\(profiled.rank)") }
            throw error
        }
        if wantsStatistics { profiled.printStatistics() }
        if let trace { try profiled.writeTrace(trace) }
    }
}

extension ProfiledCommunicator {
    fileprivate func printStatistics() {
        let text = statistics.table(
            title: "rank \(rank) of \(size): calls, payload to others, seconds inside")
        writeAll(2, Array(text.utf8))
    }

    /// Collective: gathers all ranks' events at rank 0, which writes them.
    fileprivate func writeTrace(_ path: String) throws(MPIError) {
        let offset = try clockOffset(base)
        var (events, dropped) = recorder.events
        for index in events.indices { events[index].begin += offset }
        let all = try base.gatherv(events.span, root: 0)
        let missing = try base.gather(dropped, root: 0)
        guard rank == 0 else { return }
        try write(TraceFile(eventsByRank: (0..<all.parts).map { Array(all[$0]) }, missing), path)
    }

    fileprivate func writeOwnTrace(_ path: String) throws(MPIError) {
        let (events, dropped) = recorder.events
        var byRank = Array(repeating: [Event](), count: rank)
        byRank.append(events)
        try write(
            TraceFile(
                eventsByRank: byRank, Array(repeating: 0, count: rank) + [dropped]), path)
    }

    private func write(_ trace: TraceFile, _ path: String) throws(MPIError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw MPIError(
                .system, operation: "trace", reason: "MPI_TRACE: \(path) cannot be written",
                underlying: errno)
        }
        var isWritten = true
        trace.forEachPiece { piece in isWritten = writeAll(descriptor, piece) && isWritten }
        guard close(descriptor) == 0, isWritten else {
            throw MPIError(
                .system, operation: "trace", reason: "MPI_TRACE: \(path): no room for the timeline",
                underlying: errno)
        }
    }
}

/// Nanoseconds to add to this rank's clock to get rank 0's. Collective.
///
/// The reply with the shortest round trip of eight tells rank 0's clock to within half of that trip
/// (Cristian 1989). Ranks of one host have one clock and get an offset near 0.
private func clockOffset(_ world: any Communicator) throws(MPIError) -> Int64 {
    let (rounds, tag) = (8, Tag(rawValue: 0))
    // Apart from the program's messages.
    let clocks = try world.dup()
    var best: (roundTrip: Int64, offset: Int64) = (.max, 0)
    for rank in 1..<max(world.size, 1) {
        if world.rank == 0 {
            for _ in 0..<rounds {
                _ = try clocks.recv(Int64.self, from: .rank(rank), tag: tag)
                try clocks.send([Recorder.now()].span, to: .rank(rank), tag: tag)
            }
        } else if world.rank == rank {
            for _ in 0..<rounds {
                let sent = Recorder.now()
                try clocks.send([sent].span, to: .rank(0), tag: tag)
                let theirs = try clocks.recv(Int64.self, from: .rank(0), tag: tag)[0]
                let roundTrip = Recorder.now() - sent
                if roundTrip < best.roundTrip {
                    best = (roundTrip, theirs - (sent + roundTrip / 2))
                }
            }
        }
    }
    return best.offset
}

/// Writes every byte; false if that cannot be.
@discardableResult
private func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes {
            Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, bytes.count - written)
        }
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return false }
        written += count
    }
    return true
}
