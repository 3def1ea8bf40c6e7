// The first 24 bytes of connections to the rendezvous server that are no TLS: a rank shows from
// which address the observer sees it, or the token of a relay. docs/PROTOCOL.md has the layout.

/// What a connection is for, and the sixteen bytes that say for whom.
struct Preamble: Equatable, Sendable {
    enum Purpose: Sendable, CaseIterable {
        /// To the observer port; the bytes are those of the join request's observation id.
        case observation
        /// To the server's own port; the bytes are a relay token.
        case relay

        var magic: [UInt8] { Array((self == .observation ? "SMPO" : "SMPR").utf8) }
    }

    static let byteCount = 24
    static let idByteCount = 16

    var purpose: Purpose
    var id: [UInt8]

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.write(bytes: purpose.magic)
        writer.write(protocolVersion)
        writer.write(UInt16(0))
        writer.write(bytes: id)
        return writer.bytes
    }

    init(_ purpose: Purpose, id: [UInt8]) {
        self.purpose = purpose
        self.id = id
    }

    init(decoding bytes: [UInt8]) throws(MalformedMessage) {
        var reader = ByteReader(bytes)
        let magic = try reader.read(count: 4, "magic")
        guard let purpose = Purpose.allCases.first(where: { $0.magic == magic }) else {
            throw MalformedMessage(reason: "unknown preamble")
        }
        self.purpose = purpose
        guard try reader.read(UInt16.self, "version") == protocolVersion,
            try reader.read(UInt16.self, "reserved") == 0
        else { throw MalformedMessage(reason: "a preamble of another version") }
        id = try reader.read(count: Self.idByteCount, "id")
        try reader.finish()
    }

    /// Could these be the first bytes of a preamble for this purpose?
    static func mayBegin(_ bytes: [UInt8], _ purpose: Purpose) -> Bool {
        zip(bytes, purpose.magic).allSatisfy { $0 == $1 }
    }
}
