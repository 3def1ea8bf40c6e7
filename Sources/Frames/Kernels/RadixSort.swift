// Stable sort of 64-bit keys with a payload word each: least significant digit first, skipping
// digits that all keys share.
import CProcessor

/// Pairs of an unsigned key and a payload word, sorted in place by key.
struct KeyedWords {
    /// Interleaved: key, payload, key, payload …
    private(set) var words: Buffer
    let count: Int

    private static let digitBits: UInt64 = 8
    private static let digitCount = 8
    private static let insertionLimit = 48

    /// - Parameter words: `count` interleaved pairs; sorted memory may be another buffer.
    init(words: Buffer, count: Int) {
        self.words = words
        self.count = count
    }

    @inline(__always)
    var pairs: UnsafeMutablePointer<UInt64> { words.elements(as: UInt64.self) }

    mutating func sort() {
        if count <= Self.insertionLimit { return sortByInsertion() }
        // One pass counts all digits at once, and notices what is in order already.
        let radix = 1 << Int(Self.digitBits)
        let histogram = Buffer(zeroedByteCount: Self.digitCount * radix * 8)
        let counts = histogram.elements(as: Int.self)
        var descents = 0
        var previous: UInt64 = 0
        let source = pairs
        for row in 0..<count {
            let key = source[row &* 2]
            descents &+= Int(truncatingIfNeeded: unsafeBitCast(key < previous, to: UInt8.self))
            previous = key
            for digit in 0..<Self.digitCount {
                let value = Int(truncatingIfNeeded: key >> (UInt64(digit) &* Self.digitBits))
                counts[digit &* radix &+ value & (radix &- 1)] &+= 1
            }
        }
        if descents > 0 { sortByDigits(counts, radix) }
        withExtendedLifetime(histogram) {}
    }

    private mutating func sortByDigits(_ counts: UnsafeMutablePointer<Int>, _ radix: Int) {
        var other = Buffer(byteCount: count * 16)
        for digit in 0..<Self.digitCount {
            let next = counts + digit * radix
            let shift = UInt64(digit) * Self.digitBits
            let mask = UInt64(radix - 1)
            if next[Int(pairs[0] >> shift & mask)] == count { continue }
            var total = 0
            for value in 0..<radix { (next[value], total) = (total, total + next[value]) }
            let source = pairs
            let target = other.elements(as: UInt64.self)
            for row in 0..<count {
                let key = source[row &* 2]
                let value = Int(truncatingIfNeeded: key >> shift & mask)
                let position = next[value]
                next[value] = position &+ 1
                prefetch_to_write(target + (position &* 2 &+ 8))
                target[position &* 2] = key
                target[position &* 2 &+ 1] = source[row &* 2 &+ 1]
            }
            swap(&words, &other)
        }
    }

    private func sortByInsertion() {
        let pairs = pairs
        guard count > 1 else { return }
        for row in 1..<count {
            let (key, payload) = (pairs[row * 2], pairs[row * 2 + 1])
            var hole = row
            while hole > 0 && pairs[hole * 2 - 2] > key {
                pairs[hole * 2] = pairs[hole * 2 - 2]
                pairs[hole * 2 + 1] = pairs[hole * 2 - 1]
                hole -= 1
            }
            pairs[hole * 2] = key
            pairs[hole * 2 + 1] = payload
        }
    }
}
