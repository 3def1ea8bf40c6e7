// Undoes `mpirun --tag-output`: it writes `[1,2]<stdout>:` before every *piece* of up to 4 KiB that
// it reads from a rank, also in the middle of a line and next to pieces of other ranks, so a line
// has to be put together again. Open MPI 5 writes `[prterun-host-1@1,2]<stdout>: `.

/// Splits tagged output into the lines of each rank.
struct TaggedOutput {
    private var current: Int?
    private var ofRank: [Int: LineSplitter] = [:]
    private var untagged = LineSplitter()
    /// Bytes that may be the beginning of a tag.
    private var held: [UInt8] = []

    /// Adds bytes and returns the lines they complete, with the rank that wrote them.
    mutating func add(_ bytes: ArraySlice<UInt8>) -> [(rank: Int?, text: String)] {
        var lines: [(rank: Int?, text: String)] = []
        var rest = held[...] + bytes
        held = []
        var textStart = rest.startIndex
        var position = rest.startIndex
        while position < rest.endIndex {
            let byte = rest[position]
            if byte == UInt8(ascii: "[") {
                switch TaggedOutput.parseTag(rest[position...]) {
                case .tag(let rank, let end):
                    feed(rest[textStart..<position], to: &lines)
                    current = rank
                    textStart = end
                    position = end
                    continue
                case .needsMore:
                    feed(rest[textStart..<position], to: &lines)
                    held = Array(rest[position...])
                    return lines
                case .text: break
                }
            }
            position += 1
            if byte == UInt8(ascii: "\n") {
                feed(rest[textStart..<position], to: &lines)
                textStart = position
                current = nil
            }
        }
        feed(rest[textStart...], to: &lines)
        rest = []
        return lines
    }

    mutating func finish() -> [(rank: Int?, text: String)] {
        var lines: [(rank: Int?, text: String)] = []
        feed(held[...], to: &lines)
        held = []
        if let line = untagged.finish() { lines.append((nil, line)) }
        for rank in ofRank.keys.sorted() {
            if let line = ofRank[rank]?.finish() { lines.append((rank, line)) }
        }
        return lines
    }

    private mutating func feed(
        _ bytes: ArraySlice<UInt8>, to lines: inout [(rank: Int?, text: String)]
    ) {
        if bytes.isEmpty { return }
        if let rank = current {
            lines += ofRank[rank, default: LineSplitter()].add(bytes).map { (rank, $0) }
        } else {
            lines += untagged.add(bytes).map { (nil, $0) }
        }
    }

    private enum Parsed {
        case tag(rank: Int, end: Int)
        case needsMore
        case text
    }

    /// Reads `[job,rank]<stdout>:` or `<stderr>:` from the beginning of `bytes`.
    private static func parseTag(_ bytes: ArraySlice<UInt8>) -> Parsed {
        let lengthMax = 300
        var position = bytes.startIndex + 1
        var rank = 0
        var sawComma = false
        while true {
            if position == bytes.endIndex { return .needsMore }
            if position - bytes.startIndex > lengthMax { return .text }
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "]") where sawComma: return parseStream(bytes, position, rank)
            case UInt8(ascii: ",") where !sawComma: sawComma = true
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if sawComma { rank = min(rank * 10 + Int(byte - UInt8(ascii: "0")), 1 << 30) }
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "@"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                if sawComma { return .text }
            default: return .text
            }
        }
    }

    private static func parseStream(
        _ bytes: ArraySlice<UInt8>, _ start: Int, _ rank: Int
    ) -> Parsed {
        let rest = bytes[start...]
        for name in ["<stdout>:", "<stderr>:"] {
            let expected = Array(name.utf8)
            if rest.starts(with: expected) { return .tag(rank: rank, end: start + expected.count) }
            if rest.count < expected.count && expected.starts(with: rest) { return .needsMore }
        }
        return .text
    }
}
