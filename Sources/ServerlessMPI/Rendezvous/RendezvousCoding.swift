// The bytes of the rendezvous messages: docs/PROTOCOL.md ("Rendezvous") has each layout. Decoding
// takes bytes from strangers: it checks every length and range and throws, never traps.

import MessagePassing

private enum Kind {
    static let join: UInt8 = 0x01
    static let heartbeat: UInt8 = 0x02
    static let report: UInt8 = 0x03
    static let bye: UInt8 = 0x04
    static let relay: UInt8 = 0x05
    static let connect: UInt8 = 0x06
    static let upgrade: UInt8 = 0x07
    static let departures: UInt8 = 0x08
    static let welcome: UInt8 = 0x81
    static let roster: UInt8 = 0x82
    static let refused: UInt8 = 0x83
    static let failed: UInt8 = 0x84
    static let farewell: UInt8 = 0x85
    static let relayOffer: UInt8 = 0x86
    static let relayRefused: UInt8 = 0x88
    static let connectFrom: UInt8 = 0x87
    static let departed: UInt8 = 0x89
    static let upgradeFrom: UInt8 = 0x8A
}

extension ClientMessage {
    /// The kind and the body: what a frame carries.
    var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .join(let request):
            writer.write(Kind.join)
            request.write(to: &writer)
        case .heartbeat: writer.write(Kind.heartbeat)
        case .report(let cause):
            writer.write(Kind.report)
            writer.write(bytes: AbortCause.encode(cause))
        case .bye: writer.write(Kind.bye)
        case .relay(let peer):
            writer.write(Kind.relay)
            writer.write(UInt32(peer))
        case .connect(let peer, let incarnation):
            writer.write(Kind.connect)
            writer.write(UInt32(peer))
            writer.write(UInt32(truncatingIfNeeded: incarnation))
        case .upgrade(let peer):
            writer.write(Kind.upgrade)
            writer.write(UInt32(peer))
        case .departed(let ranks):
            writer.write(Kind.departures)
            writer.write(UInt32(ranks.count))
            for rank in ranks { writer.write(UInt32(rank)) }
        }
        return writer.bytes
    }

    init(decoding bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        switch try reader.read(UInt8.self, "kind") {
        case Kind.join: self = .join(try JoinRequest(from: &reader))
        case Kind.heartbeat: self = .heartbeat
        case Kind.report: self = .report(try readCause(&reader))
        case Kind.bye: self = .bye
        case Kind.relay: self = .relay(peer: try readRank(&reader))
        case Kind.connect:
            self = .connect(
                peer: try readRank(&reader),
                incarnation: Int(try reader.read(UInt32.self, "incarnation")))
        case Kind.upgrade: self = .upgrade(peer: try readRank(&reader))
        case Kind.departures: self = .departed(try readRanks(&reader))
        default: throw MalformedMessage(reason: "unknown kind of message")
        }
        try reader.finish()
    }
}

extension ServerMessage {
    var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .welcome(let welcome):
            writer.write(Kind.welcome)
            writer.write(UInt32(welcome.rank))
            writer.write(bytes: welcome.ticket)
            welcome.observed.write(to: &writer)
            writer.write(milliseconds(welcome.heartbeatInterval))
        case .roster(let entries):
            writer.write(Kind.roster)
            writer.write(UInt32(entries.count))
            for entry in entries { entry.write(to: &writer) }
        case .refused(let cause):
            writer.write(Kind.refused)
            writer.write(bytes: AbortCause.encode(cause))
        case .failed(let cause):
            writer.write(Kind.failed)
            writer.write(bytes: AbortCause.encode(cause))
        case .farewell: writer.write(Kind.farewell)
        case .relay(let peer, let token):
            writer.write(Kind.relayOffer)
            writer.write(UInt32(peer))
            writer.write(bytes: token.bytes)
        case .relayRefused(let peer, let cause):
            writer.write(Kind.relayRefused)
            writer.write(UInt32(peer))
            writer.write(bytes: AbortCause.encode(cause))
        case .connect(let peer, let incarnation):
            writer.write(Kind.connectFrom)
            writer.write(UInt32(peer))
            writer.write(UInt32(truncatingIfNeeded: incarnation))
        case .departed(let peer):
            writer.write(Kind.departed)
            writer.write(UInt32(peer))
        case .upgrade(let peer):
            writer.write(Kind.upgradeFrom)
            writer.write(UInt32(peer))
        }
        return writer.bytes
    }

    init(decoding bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        switch try reader.read(UInt8.self, "kind") {
        case Kind.welcome: self = .welcome(try Welcome(from: &reader))
        case Kind.roster: self = .roster(try Self.readRoster(&reader))
        case Kind.refused: self = .refused(try readCause(&reader))
        case Kind.failed: self = .failed(try readCause(&reader))
        case Kind.farewell: self = .farewell
        case Kind.relayOffer:
            let peer = try readRank(&reader)
            guard let token = RelayToken(try reader.read(count: RelayToken.byteCount, "token"))
            else { throw MalformedMessage(reason: "no relay token") }
            self = .relay(peer: peer, token)
        case Kind.relayRefused:
            self = .relayRefused(peer: try readRank(&reader), try readCause(&reader))
        case Kind.connectFrom:
            self = .connect(
                from: try readRank(&reader),
                incarnation: Int(try reader.read(UInt32.self, "incarnation")))
        case Kind.departed: self = .departed(peer: try readRank(&reader))
        case Kind.upgradeFrom: self = .upgrade(from: try readRank(&reader))
        default: throw MalformedMessage(reason: "unknown kind of message")
        }
        try reader.finish()
    }

    private static func readRoster(
        _ reader: inout ByteReader
    ) throws(MalformedMessage) -> [RosterEntry] {
        let count = Int(try reader.read(UInt32.self, "size"))
        guard (1...JoinURL.maximumSize).contains(count) else {
            throw MalformedMessage(reason: "a roster of \(count) ranks")
        }
        var entries: [RosterEntry] = []
        for _ in 0..<count {
            entries.append(
                RosterEntry(
                    hostTag: try reader.read(count: JoinRequest.hostTagByteCount, "host tag"),
                    observed: try SocketAddress(from: &reader),
                    candidates: try Candidate.readList(from: &reader),
                    natClass: try readClass(&reader)))
        }
        return entries
    }
}

extension RosterEntry {
    func write(to writer: inout ByteWriter) {
        writer.write(bytes: hostTag)
        observed.write(to: &writer)
        Candidate.writeList(candidates, to: &writer)
        writer.write(natClass.rawValue)
    }
}

extension JoinRequest {
    private static let anyRank = UInt32.max

    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(protocolVersion)
        writer.write(encryption.rawValue)
        writer.write(epoch)
        writer.write(UInt32(size))
        writer.write(rank.map { UInt32($0) } ?? Self.anyRank)
        writer.write(milliseconds(joinTimeout))
        writer.write(bytes: requestID.bytes)
        writer.write(bytes: hostTag)
        Candidate.writeList(candidates, to: &writer)
        writer.write(UInt8(ticket.count))
        writer.write(bytes: ticket)
        writer.write(bytes: observationID)
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedMessage) {
        let version = try reader.read(UInt16.self, "version")
        guard version == protocolVersion else {
            throw MalformedMessage(
                reason: "the rank speaks protocol version \(version), the server"
                    + " \(protocolVersion): run one release everywhere")
        }
        guard let mode = EncryptionMode(rawValue: try reader.read(UInt8.self, "encryption")) else {
            throw MalformedMessage(reason: "unknown encryption mode")
        }
        encryption = mode
        epoch = try reader.read(UInt64.self, "epoch")
        size = Int(try reader.read(UInt32.self, "size"))
        guard (1...JoinURL.maximumSize).contains(size) else {
            throw MalformedMessage(reason: "a job of \(size) ranks")
        }
        let number = try reader.read(UInt32.self, "rank")
        guard number == Self.anyRank || Int(number) < size else {
            throw MalformedMessage(reason: "rank \(number) of a job of \(size)")
        }
        rank = number == Self.anyRank ? nil : Int(number)
        joinTimeout = .milliseconds(Int64(try reader.read(UInt32.self, "join timeout")))
        guard
            let id = RequestID(wire: try reader.read(count: RequestID.byteCount, "request id"))
        else { throw MalformedMessage(reason: "no request id") }
        requestID = id
        hostTag = try reader.read(count: Self.hostTagByteCount, "host tag")
        candidates = try Candidate.readList(from: &reader)
        let ticketCount = Int(try reader.read(UInt8.self, "ticket"))
        guard ticketCount == 0 || ticketCount == Self.ticketByteCount else {
            throw MalformedMessage(reason: "a ticket of \(ticketCount) bytes")
        }
        ticket = try reader.read(count: ticketCount, "ticket")
        observationID = try reader.read(count: Preamble.idByteCount, "observation id")
    }
}

extension Welcome {
    fileprivate init(from reader: inout ByteReader) throws(MalformedMessage) {
        rank = Int(try reader.read(UInt32.self, "rank"))
        guard rank < JoinURL.maximumSize else {
            throw MalformedMessage(reason: "rank \(rank) is out of range")
        }
        ticket = try reader.read(count: JoinRequest.ticketByteCount, "ticket")
        observed = try SocketAddress(from: &reader)
        heartbeatInterval = .milliseconds(
            Int64(max(try reader.read(UInt32.self, "heartbeat interval"), 10)))
    }
}

private func readRank(_ reader: inout ByteReader) throws(MalformedMessage) -> Int {
    let rank = Int(try reader.read(UInt32.self, "rank"))
    guard rank < JoinURL.maximumSize else {
        throw MalformedMessage(reason: "rank \(rank) is out of range")
    }
    return rank
}

private func readRanks(_ reader: inout ByteReader) throws(MalformedMessage) -> [Int] {
    let count = Int(try reader.read(UInt32.self, "count"))
    guard (1...ClientMessage.departedCountMax).contains(count) else {
        throw MalformedMessage(reason: "a list of \(count) ranks")
    }
    var ranks: [Int] = []
    for _ in 0..<count { ranks.append(try readRank(&reader)) }
    return ranks
}

private func readClass(_ reader: inout ByteReader) throws(MalformedMessage) -> NATClass {
    guard let found = NATClass(rawValue: try reader.read(UInt8.self, "NAT class")) else {
        throw MalformedMessage(reason: "unknown NAT class")
    }
    return found
}

private func readCause(_ reader: inout ByteReader) throws(MalformedMessage) -> MPIError {
    let bytes = try reader.read(count: reader.remaining, "cause")
    guard let cause = bytes.withUnsafeBytes({ AbortCause.decode($0) }) else {
        throw MalformedMessage(reason: "the cause of the failure is unreadable")
    }
    return cause
}

/// Whole milliseconds, at most what 32 bits hold (49 days).
func milliseconds(_ duration: Duration) -> UInt32 {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    guard seconds < Int64(UInt32.max) else { return .max }
    return UInt32(
        clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000)
}
