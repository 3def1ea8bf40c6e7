// Sorts strings by eight-byte prefixes as integers; only runs of equal prefixes look further. Rows
// move with their prefix instead of being compared through pointers.

extension Kernels {
    /// `rows` in the order of their strings; stable. None may be null.
    static func argsortStrings(
        _ column: Column, _ rows: RowIndices, descending: Bool
    ) -> RowIndices {
        let result = Buffer(byteCount: rows.count * 8)
        let output = result.elements(as: Int.self)
        for position in 0..<rows.count { output[position] = rows[position] }
        // Runs still unordered from byte `depth` on; a stack, as long common prefixes make many
        // rounds.
        var runs = [(range: 0..<rows.count, depth: 0)]
        while let run = runs.popLast() {
            sortRun(column, output, run.range, depth: run.depth, descending: descending) {
                runs.append(($0, run.depth + 8))
            }
        }
        withExtendedLifetime((column, rows)) {}
        return RowIndices(buffer: result, count: rows.count)
    }

    /// Sorts one run by the eight bytes at `depth`, and reports runs that need to look further.
    private static func sortRun(
        _ column: Column, _ output: UnsafeMutablePointer<Int>, _ range: Range<Int>, depth: Int,
        descending: Bool, _ tie: (Range<Int>) -> Void
    ) {
        let offsets = column.stringOffsets
        let bytes = column.stringBytes
        let flip: UInt64 = descending ? .max : 0
        let buffer = Buffer(byteCount: range.count * 16)
        let pairs = buffer.elements(as: UInt64.self)
        for position in 0..<range.count {
            let row = output[range.lowerBound &+ position]
            let prefix = prefixWord(
                bytes + Int(offsets[row]), Int(offsets[row + 1] &- offsets[row]), at: depth)
            pairs[position &* 2] = prefix ^ flip
            pairs[position &* 2 &+ 1] = UInt64(truncatingIfNeeded: row)
        }
        var sorted = KeyedWords(words: buffer, count: range.count)
        sorted.sort()
        let words = sorted.pairs
        for position in 0..<range.count {
            output[range.lowerBound &+ position] = Int(words[position &* 2 &+ 1])
        }
        // Within a run of equal prefixes strings that end in it (padded with zero bytes) come
        // before those that go on; zero bytes within strings make even these need a look.
        var start = 0
        while start < range.count {
            var end = start + 1
            while end < range.count && words[end &* 2] == words[start &* 2] { end += 1 }
            if end - start > 1 {
                let ended = orderByEnd(
                    column, output, range.lowerBound + start..<range.lowerBound + end,
                    limit: depth + 8, descending: descending)
                if ended.count > 1 { tie(ended) }
            }
            start = end
        }
        withExtendedLifetime(sorted) {}
    }

    /// Of a run of strings equal up to padding in their first `limit` bytes: orders those that end
    /// there by length, and returns the run of those that go on.
    private static func orderByEnd(
        _ column: Column, _ output: UnsafeMutablePointer<Int>, _ range: Range<Int>, limit: Int,
        descending: Bool
    ) -> Range<Int> {
        let offsets = column.stringOffsets
        func length(_ row: Int) -> Int {
            min(Int(offsets[row + 1] &- offsets[row]), limit + 1)
        }
        let first = length(output[range.lowerBound])
        if range.allSatisfy({ length(output[$0]) == first }) {
            return first > limit ? range : range.lowerBound..<range.lowerBound
        }
        // Rare: lengths differ. They are few (nine or so), so a stable counting sort would do; the
        // radix sort is one.
        let buffer = Buffer(byteCount: range.count * 16)
        let pairs = buffer.elements(as: UInt64.self)
        let flip: UInt64 = descending ? .max : 0
        for position in 0..<range.count {
            let row = output[range.lowerBound + position]
            pairs[position * 2] = UInt64(length(row)) ^ flip
            pairs[position * 2 + 1] = UInt64(row)
        }
        var sorted = KeyedWords(words: buffer, count: range.count)
        sorted.sort()
        var longer = 0
        for position in 0..<range.count {
            let row = Int(sorted.pairs[position * 2 + 1])
            output[range.lowerBound + position] = row
            if length(row) > limit { longer += 1 }
        }
        withExtendedLifetime(sorted) {}
        return descending
            ? range.lowerBound..<range.lowerBound + longer
            : range.upperBound - longer..<range.upperBound
    }

    /// Bytes `depth ..< depth + 8` as a big-endian number, padded with zero bytes. Reads up to 7
    /// bytes beyond the string, which buffers allow.
    @inline(__always)
    static func prefixWord(
        _ bytes: UnsafePointer<UInt8>, _ count: Int, at depth: Int
    ) -> UInt64 {
        let left = count - depth
        if left <= 0 { return 0 }
        let word = UInt64(
            bigEndian: UnsafeRawPointer(bytes).loadUnaligned(
                fromByteOffset: depth, as: UInt64.self))
        return left >= 8 ? word : word & ~(UInt64.max >> UInt64(left * 8))
    }
}
