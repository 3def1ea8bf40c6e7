// Sorts rows of a few 64-bit words by their first: most significant digit first, so that after one
// pass over memory everything happens in the cache, and only as many bits are looked at as tell rows
// apart. Stable (McIlroy, Bostic and McIlroy 1993).
import CProcessor
import Glibc

/// How many words a row has, known when loops are compiled.
protocol RowWidth {
    static var words: Int { get }
}
enum OneWord: RowWidth { static var words: Int { 1 } }
enum TwoWords: RowWidth { static var words: Int { 2 } }
enum ThreeWords: RowWidth { static var words: Int { 3 } }
enum FourWords: RowWidth { static var words: Int { 4 } }

/// Sorts pieces of memory, each by bits of the rows' first words.
struct RowSorter<Width: RowWidth> {
    typealias Words = UnsafeMutablePointer<UInt64>

    /// The lowest bit that counts.
    let lowestBit: UInt64
    /// Counters of each level of recursion.
    private let counters: Buffer

    private static var digitLimit: Int { 10 }
    private static var levelLimit: Int { 64 }
    private static var insertionLimit: Int { 32 }

    init(lowestBit: UInt64) {
        self.lowestBit = lowestBit
        counters = Buffer(byteCount: Self.levelLimit << Self.digitLimit * 8)
    }

    /// Bits to sort `count` rows by at once: enough for pieces of some ten rows.
    static func digitBits(_ count: Int, of bits: Int) -> Int {
        let log = Int.bitWidth - count.leadingZeroBitCount
        return min(bits, max(2, min(digitLimit, log - 4)))
    }

    /// Sorts `count` rows by `bits` bits from the lowest one on.
    /// - Parameter other: memory for as many rows.
    func sort(_ rows: Words, _ other: Words, _ count: Int, bits: Int) {
        sort(rows, other, count, bits, level: 0, staysHere: true)
    }

    /// Sorts the rows at `source`, into themselves or into `target`.
    private func sort(
        _ source: Words, _ target: Words, _ count: Int, _ bits: Int, level: Int, staysHere: Bool
    ) {
        if count <= Self.insertionLimit || bits == 0 || level == Self.levelLimit {
            return insert(source, target, count, bits, staysHere: staysHere)
        }
        let digitBits = Self.digitBits(count, of: bits)
        let shift = lowestBit &+ UInt64(truncatingIfNeeded: bits &- digitBits)
        let mask = UInt64(1) << digitBits - 1
        let next = counters.elements(as: Int.self) + level << Self.digitLimit
        for value in 0..<1 << digitBits { next[value] = 0 }
        for row in 0..<count {
            next[Int(truncatingIfNeeded: source[row &* Width.words] &>> shift & mask)] &+= 1
        }
        if next[Int(truncatingIfNeeded: source[0] &>> shift & mask)] == count {
            // All share the digit: nothing moves.
            return sort(
                source, target, count, bits - digitBits, level: level + 1, staysHere: staysHere)
        }
        var total = 0
        for value in 0..<1 << digitBits {
            let rows = next[value]
            next[value] = total
            total &+= rows
        }
        for row in 0..<count {
            let word = source[row &* Width.words]
            let value = Int(truncatingIfNeeded: word &>> shift & mask)
            let position = next[value]
            next[value] = position &+ 1
            Self.copy(source + row &* Width.words, target + position &* Width.words)
        }
        // Counters hold the ends of pieces now.
        var start = 0
        for value in 0..<1 << digitBits {
            let end = next[value]
            if end > start {
                sort(
                    target + start &* Width.words, source + start &* Width.words, end &- start,
                    bits &- digitBits, level: level &+ 1, staysHere: !staysHere)
            }
            start = end
        }
    }

    @inline(__always)
    static func copy(_ source: Words, _ target: Words) {
        for word in 0..<Width.words { target[word] = source[word] }
    }

    /// Few rows, or equal ones.
    private func insert(
        _ source: Words, _ target: Words, _ count: Int, _ bits: Int, staysHere: Bool
    ) {
        let output = staysHere ? source : target
        if bits == 0 || count == 1 {
            if !staysHere { memcpy(output, source, count * Width.words * 8) }
            return
        }
        let keep = UInt64.max << lowestBit
        if !staysHere { Self.copy(source, output) }
        for row in 1..<count {
            let place = source + row &* Width.words
            let word = place[0]
            let moved = (
                word, Width.words > 1 ? place[1] : 0, Width.words > 2 ? place[2] : 0,
                Width.words > 3 ? place[3] : 0
            )
            var hole = row
            while hole > 0 && output[(hole &- 1) &* Width.words] & keep > word & keep {
                Self.copy(
                    output + (hole &- 1) &* Width.words, output + hole &* Width.words)
                hole &-= 1
            }
            let end = output + hole &* Width.words
            end[0] = moved.0
            if Width.words > 1 { end[1] = moved.1 }
            if Width.words > 2 { end[2] = moved.2 }
            if Width.words > 3 { end[3] = moved.3 }
        }
    }
}
