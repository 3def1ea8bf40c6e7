// The first bytes on every connection between ranks: who is speaking, to whom, in which job, and
// a MAC that only a member of the job can make. It is checked before anything dearer is done, so
// that a stranger costs one hash; the handshake after it proves freshness.

/// 84 bytes; docs/PROTOCOL.md ("Hello") has the layout.
struct PeerHello: Equatable, Sendable {
    static let byteCount = 84
    static let nonceByteCount = 16
    private static let macByteCount = 32
    private static let magic = Array("SMPI".utf8)

    var encryption: EncryptionMode
    var epoch: UInt64
    var sender: Int
    var receiver: Int
    /// The first eight bytes of the job name's SHA-256.
    var jobTag: [UInt8]
    /// Fresh random bytes: what a proof in mode `none` answers.
    var nonce: [UInt8]
    /// How many connections of this pair the sender has had: the number it gives the next one.
    var incarnation: Int

    static func jobTag(_ job: String) -> [UInt8] {
        Array(RequestID(naming: job).bytes.prefix(8))
    }

    /// The first 52 bytes, which the MAC covers.
    private var fields: [UInt8] {
        var writer = ByteWriter()
        writer.write(bytes: Self.magic)
        writer.write(protocolVersion)
        writer.write(encryption.rawValue)
        writer.write(UInt8(0))
        writer.write(epoch)
        writer.write(UInt32(sender))
        writer.write(UInt32(receiver))
        writer.write(bytes: jobTag)
        writer.write(bytes: nonce)
        writer.write(UInt32(truncatingIfNeeded: incarnation))
        return writer.bytes
    }

    func encoded(key: Secret) -> [UInt8] {
        fields + KeyDerivation.authenticate(fields, with: key)
    }

    /// A hello without a MAC, for one who has proven nothing: it tells what does not fit, and is
    /// of no use to whoever replays it.
    var encodedWithoutProof: [UInt8] {
        fields + [UInt8](repeating: 0, count: Self.macByteCount)
    }

    init(
        encryption: EncryptionMode, epoch: UInt64, sender: Int, receiver: Int, jobTag: [UInt8],
        nonce: [UInt8], incarnation: Int = 0
    ) {
        self.encryption = encryption
        self.epoch = epoch
        self.sender = sender
        self.receiver = receiver
        self.jobTag = jobTag
        self.nonce = nonce
        self.incarnation = incarnation
    }

    /// Reads the fields; the MAC is checked apart, because its key depends on them.
    init(decoding bytes: [UInt8]) throws(MalformedMessage) {
        guard bytes.count == Self.byteCount else {
            throw MalformedMessage(reason: "a hello has \(Self.byteCount) bytes")
        }
        var reader = ByteReader(bytes)
        guard try reader.read(count: 4, "magic") == Self.magic else {
            throw MalformedMessage(reason: "it is no rank of this library")
        }
        let version = try reader.read(UInt16.self, "version")
        guard version == protocolVersion else {
            throw MalformedMessage(
                reason: "it speaks protocol version \(version), this rank \(protocolVersion):"
                    + " run one release everywhere")
        }
        guard let mode = EncryptionMode(rawValue: try reader.read(UInt8.self, "encryption")),
            try reader.read(UInt8.self, "reserved") == 0
        else { throw MalformedMessage(reason: "unknown encryption mode") }
        encryption = mode
        epoch = try reader.read(UInt64.self, "epoch")
        sender = Int(try reader.read(UInt32.self, "sender"))
        receiver = Int(try reader.read(UInt32.self, "receiver"))
        jobTag = try reader.read(count: 8, "job")
        nonce = try reader.read(count: Self.nonceByteCount, "nonce")
        incarnation = Int(try reader.read(UInt32.self, "incarnation"))
    }

    /// Was it made with this key?
    static func isAuthentic(_ bytes: [UInt8], key: Secret) -> Bool {
        bytes.count == byteCount
            && KeyDerivation.isAuthentic(
                Array(bytes.dropLast(macByteCount)), Array(bytes.suffix(macByteCount)), with: key)
    }
}

/// What the two ends say after their hellos in encryption mode `none`: each proves that it has the
/// key *now* by a MAC over both hellos, whose nonces are fresh.
enum PeerProof {
    static let byteCount = 32

    /// `low` and `high` are the encoded hellos of the lower and the higher rank.
    static func make(byLow isLow: Bool, low: [UInt8], high: [UInt8], key: Secret) -> [UInt8] {
        KeyDerivation.authenticate([isLow ? 0 : 1] + low + high, with: key)
    }

    static func isValid(
        _ proof: [UInt8], byLow isLow: Bool, low: [UInt8], high: [UInt8], key: Secret
    ) -> Bool {
        KeyDerivation.isAuthentic([isLow ? 0 : 1] + low + high, proof, with: key)
    }
}

/// What the lower rank says on the one connection of the pair that shall carry the payload. The
/// number is said once more where nobody can change it: hellos may be replays.
enum Nomination {
    static let byteCount = 12

    static func bytes(_ incarnation: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(bytes: "nominate".utf8)
        writer.write(UInt32(truncatingIfNeeded: incarnation))
        return writer.bytes
    }
}
