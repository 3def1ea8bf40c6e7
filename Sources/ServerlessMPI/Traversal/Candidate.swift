// An address at which a rank may be reached, and its kind (RFC 8445 §5.1). Values only.

/// One address of a rank.
struct Candidate: Hashable, Sendable, CustomStringConvertible {
    var kind: CandidateKind
    var address: SocketAddress

    var description: String { "\(kind) \(address)" }

    /// The most candidates a rank may announce.
    static let maximumCount = 16
}

extension Candidate {
    /// kind u8, then the address.
    func write(to writer: inout ByteWriter) {
        writer.write(kind.rawValue)
        address.write(to: &writer)
    }

    init(from reader: inout ByteReader) throws(MalformedMessage) {
        guard let kind = CandidateKind(rawValue: try reader.read(UInt8.self, "candidate kind"))
        else {
            throw MalformedMessage(reason: "unknown kind of candidate")
        }
        self.kind = kind
        address = try SocketAddress(from: &reader)
    }

    static func writeList(_ candidates: [Candidate], to writer: inout ByteWriter) {
        writer.write(UInt8(min(candidates.count, maximumCount)))
        for candidate in candidates.prefix(maximumCount) { candidate.write(to: &writer) }
    }

    static func readList(
        from reader: inout ByteReader
    ) throws(MalformedMessage) -> [Candidate] {
        let count = Int(try reader.read(UInt8.self, "candidate count"))
        guard count <= maximumCount else {
            throw MalformedMessage(reason: "more than \(maximumCount) candidates")
        }
        var candidates: [Candidate] = []
        for _ in 0..<count { candidates.append(try Candidate(from: &reader)) }
        return candidates
    }
}
