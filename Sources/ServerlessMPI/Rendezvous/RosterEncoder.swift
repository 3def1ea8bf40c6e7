// The roster messages of one job. Ranks of different hosts see the same roster but for the
// loopback addresses of neighbours, so entries are encoded once, ranks without neighbours share
// one message, and each host with several ranks gets a copy with its own entries in place.

struct RosterEncoder {
    /// The message without any loopback address.
    private let common: [UInt8]
    /// Where each entry begins in it, and where the last one ends.
    private let offsets: [Int]
    /// The ranks of each host.
    private var groups: [[UInt8]: [Int]] = [:]
    private let entries: [RosterEntry]
    private var variants: [[UInt8]: [UInt8]] = [:]

    init(_ entries: [RosterEntry]) {
        self.entries = entries
        var common = Array(ServerMessage.roster([]).encoded.dropLast(4))
        withUnsafeBytes(of: UInt32(entries.count).littleEndian) { common += $0 }
        var offsets: [Int] = []
        for (rank, entry) in entries.enumerated() {
            offsets.append(common.count)
            var stripped = entry
            stripped.candidates.removeAll { $0.address.ip.isLoopback }
            common += stripped.encoded
            groups[entry.hostTag, default: []].append(rank)
        }
        offsets.append(common.count)
        self.common = common
        self.offsets = offsets
    }

    /// The message for a rank on this host.
    mutating func message(for hostTag: [UInt8]) -> [UInt8] {
        guard let group = groups[hostTag], group.count > 1 else { return common }
        if let known = variants[hostTag] { return known }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(common.count + group.count * 64)
        var position = 0
        for rank in group {
            bytes += common[position..<offsets[rank]]
            bytes += entries[rank].encoded
            position = offsets[rank + 1]
        }
        bytes += common[position...]
        variants[hostTag] = bytes
        return bytes
    }
}

extension RosterEntry {
    fileprivate var encoded: [UInt8] {
        var writer = ByteWriter()
        write(to: &writer)
        return writer.bytes
    }
}
