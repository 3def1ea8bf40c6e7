// Rows between ranks. An exchange is one small alltoall of headers (how much, and does everybody run
// the same step?), then one alltoallv of messages that hold all columns. Large ones take several
// such rounds, so that neither a message nor the memory for messages grows with the table.

import MessagePassing

/// The bounds of exchanges.
package enum ExchangeLimits {
    /// Bytes that a rank packs in one round. Settable so that tests can have many rounds of few
    /// bytes; no less than a row is ever sent.
    @TaskLocal package static var roundBytes = 1 << 30
}

extension StepRun {
    /// Sends each row of `table` to the rank that `destinations` names for it.
    ///
    /// Collective; size > 1. Cost: a header of 136 bytes and at most one message per pair of ranks
    /// and round; each row is copied once into a message, none out of it.
    /// - Returns: the rows for this rank, in pieces, in the order of their senders, then in that
    ///   of the sender's rows.
    func scatter(
        _ table: Table, _ destinations: (Table) -> Destinations
    ) throws(FrameError) -> [Table] {
        try scatter(table, unlessAny: false, destinations) ?? []
    }

    /// The same, unless any rank declines: then nothing moves, and nil is returned on all. That
    /// travels in the header of the first round.
    func scatter(
        _ table: Table, unlessAny declines: Bool, _ destinations: (Table) -> Destinations
    ) throws(FrameError) -> [Table]? {
        try exchange(table, unlessAny: declines) { part in
            ScatterPacking(part, to: destinations(part))
        }
    }

    /// Sends rows `ranges[r]`, consecutive and covering the table, to rank r. Collective; cost and
    /// result as above, but one's own rows are not copied at all.
    func sendRanges(_ table: Table, _ ranges: [Range<Int>]) throws(FrameError) -> [Table] {
        // A round takes consecutive rows of the table, hence of each range what lies within.
        var start = 0
        return try exchange(table, unlessAny: false) { part in
            let rows = start..<start + part.rowCount
            start = rows.upperBound
            return RangePacking(
                part,
                ranges: ranges.map { range in
                    let clamped = range.clamped(to: rows)
                    return clamped.lowerBound - rows.lowerBound..<clamped.upperBound
                        - rows.lowerBound
                })
        } ?? []
    }

    /// Round after round until no rank has any left.
    private func exchange(
        _ table: Table, unlessAny declines: Bool, _ pack: (Table) -> some Packing
    ) throws(FrameError) -> [Table]? {
        let table = try sharingCategories(table)
        if declines {
            var header = header()
            header.facts.0 = 1
            _ = try open(header)
            return nil
        }
        var received = [[Table]](repeating: [], count: size)
        let rounds = Rounds(of: table)
        var round = 0
        var moreRounds = true
        while moreRounds {
            let packing = pack(table.slice(rounds.rows(of: round)))
            let headers = try open(
                self.headers(for: packing, roundsLeft: rounds.left(after: round)))
            if round == 0 && headers.contains(where: { $0.facts.0 != 0 }) { return nil }
            let tables = try transfer(packing, headers, of: table)
            for (rank, table) in tables.enumerated() where table.rowCount > 0 {
                received[rank].append(table)
            }
            round += 1
            moreRounds = headers.contains { $0.roundsLeft > 0 }
        }
        let pieces = received.flatMap(\.self)
        return pieces.isEmpty ? [Table(emptyWith: table.schema)] : pieces
    }

    private func headers(for packing: some Packing, roundsLeft: Int) -> [ExchangeHeader] {
        packing.layouts.map { layout in
            var header = header()
            header.rowCount = layout.rowCount
            header.blockCount = layout.blockCount
            header.roundsLeft = roundsLeft
            return header
        }
    }

    /// The messages of one round, once their sizes are known: the rows from each rank, of the form
    /// of `table`.
    private func transfer(
        _ packing: some Packing, _ headers: [ExchangeHeader], of table: Table
    ) throws(FrameError) -> [Table] {
        let block = MessageLayout.blockBytes
        var sendCounts = packing.layouts.map(\.blockCount)
        var recvCounts = headers.map(\.blockCount)
        let ownInPlace = packing.rowsInPlace(for: rank)
        let ownBytes = ownInPlace == nil ? sendCounts[rank] * block : 0
        sendCounts[rank] = 0
        recvCounts[rank] = 0
        let sendParts = Partition(counts: sendCounts)
        let recvParts = try received(recvCounts, elementSize: block)
        // Memory of one's own rows is apart: the rest is free again after the exchange.
        let own = Buffer(byteCount: ownBytes)
        let send = Buffer(byteCount: sendParts.extent * block, isKept: false)
        var messages = sendParts.offsets.map { send.pointer + $0 * block }
        messages[rank] = own.pointer
        packing.write(to: messages, leavingOut: ownInPlace == nil ? nil : rank)

        let recv = Buffer(byteCount: recvParts.extent * block)
        try communicate(sent: sendParts.extent * block, received: recvParts.extent * block) {
            (world) throws(MPIError) in
            try world.alltoallv(
                UnsafeRawBufferPointer(start: send.pointer, count: sendParts.extent * block),
                sendParts,
                into: UnsafeMutableRawBufferPointer(
                    start: recv.pointer, count: recvParts.extent * block),
                recvParts, elementSize: block)
        }
        withExtendedLifetime(send) {}
        var tables: [Table] = []
        for (source, header) in headers.enumerated() {
            if let ownInPlace, source == rank {
                tables.append(ownInPlace)
            } else {
                let (buffer, start) =
                    source == rank ? (own, 0) : (recv, recvParts.offsets[source] * block)
                tables.append(
                    try rows(in: buffer, at: start, header, from: source, of: table))
            }
        }
        return tables
    }

    /// The rows of a message from `source`.
    private func rows(
        in buffer: Buffer, at offset: Int, _ header: ExchangeHeader, from source: Int,
        of table: Table
    ) throws(FrameError) -> Table {
        do throws(MessageFault) {
            return try MessageLayout.table(
                in: buffer, at: offset, byteCount: header.blockCount * MessageLayout.blockBytes,
                rowCount: header.rowCount, schema: table.schema,
                dictionaries: table.columns.map(\.dictionary), from: source)
        } catch {
            throw refusal(error)
        }
    }

    /// Gives every rank the rows of all. Collective; size > 1. Cost: as `scatter`, but each row is
    /// sent to everyone, by an allgatherv.
    /// - Returns: all rows, in pieces, in the order of ranks.
    func gatherEverywhere(_ table: Table) throws(FrameError) -> [Table] {
        let table = try sharingCategories(table)
        var received = [[Table]](repeating: [], count: size)
        let rounds = Rounds(of: table)
        let block = MessageLayout.blockBytes
        var round = 0
        var moreRounds = true
        while moreRounds {
            let part = table.slice(rounds.rows(of: round))
            let packing = RangePacking(part, ranges: [0..<part.rowCount])
            let mine = self.headers(for: packing, roundsLeft: rounds.left(after: round))
            let headers = try open(mine[0])
            let parts = try self.received(headers.map(\.blockCount), elementSize: block)
            let message = Buffer(byteCount: packing.layouts[0].byteCount, isKept: false)
            packing.write(to: [message.pointer], leavingOut: nil)
            let whole = Buffer(byteCount: parts.extent * block)
            try communicate(
                sent: message.byteCount, received: parts.extent * block - message.byteCount
            ) { (world) throws(MPIError) in
                try world.allgatherv(
                    UnsafeRawBufferPointer(start: message.pointer, count: message.byteCount),
                    into: UnsafeMutableRawBufferPointer(
                        start: whole.pointer, count: parts.extent * block),
                    partition: parts, elementSize: block)
            }
            withExtendedLifetime(message) {}
            for source in headers.indices where parts.counts[source] > 0 {
                received[source].append(
                    try rows(
                        in: whole, at: parts.offsets[source] * block, headers[source],
                        from: source, of: table))
            }
            round += 1
            moreRounds = headers.contains { $0.roundsLeft > 0 }
        }
        let pieces = received.flatMap(\.self)
        return pieces.isEmpty ? [Table(emptyWith: table.schema)] : pieces
    }
}

/// How a rank cuts its rows into rounds of bounded size.
struct Rounds {
    private let rowCount: Int
    private let rowsPerRound: Int

    init(of table: Table) {
        rowCount = table.rowCount
        let bytesPerRow = Double(table.byteCount) / Double(max(rowCount, 1))
        rowsPerRound = max(1, Int(Double(ExchangeLimits.roundBytes) / max(bytesPerRow, 1)))
    }

    /// Empty after the last one.
    func rows(of round: Int) -> Range<Int> {
        min(round * rowsPerRound, rowCount)..<min((round + 1) * rowsPerRound, rowCount)
    }

    func left(after round: Int) -> Int {
        max(0, (rowCount + rowsPerRound - 1) / rowsPerRound - round - 1)
    }
}

extension Table {
    /// Bytes of all values, roughly.
    var byteCount: Int { columns.reduce(0) { $0 + $1.byteCount } }
}

extension Column {
    /// Bytes of its values, roughly.
    var byteCount: Int {
        let bits = validity == nil ? 0 : count / 8
        switch type.layout {
        case .bytes8: return bits + count * 8
        case .bytes4: return bits + count * 4
        case .bytes2: return bits + count * 2
        case .bytes1: return bits + count
        case .bits: return bits + count / 8
        case .strings:
            let offsets = stringOffsets
            return bits + count * 8 + Int(offsets[count] - offsets[0])
        }
    }
}
