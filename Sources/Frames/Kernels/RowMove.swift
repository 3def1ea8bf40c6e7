// The loop that moves rows into partitions, compiled once per shape that occurs much: one that
// decides per field and row would cost more than the move.
import CProcessor

struct RowMove {
    let layout: RowLayout
    let target: UnsafeMutablePointer<UInt32>
    /// Per bucket the word where its next row begins.
    let next: UnsafeMutablePointer<Int>

    /// Adds a chunk's rows to the count of their buckets.
    static func count(
        _ chunk: KeyedChunk, _ partitioner: some KeyPartitioner, into counts: inout [Int]
    ) {
        counts.withUnsafeMutableBufferPointer { counts in
            guard let counts = counts.baseAddress else { return }
            forEachKey(chunk, partitioner) { _, _, bucket in
                counts[bucket] &+= 1
                return 0
            }
        }
    }

    /// Calls `body(row, key, bucket)` for all rows of a chunk; the key of a null is 0.
    ///
    /// Results are or'ed together here, in a register: a variable that `body` captures would be
    /// written to memory for every row.
    @inline(__always)
    @discardableResult
    private static func forEachKey<Partitioner: KeyPartitioner>(
        _ chunk: KeyedChunk, _ partitioner: Partitioner, _ body: (Int, Int64, Int) -> Int64
    ) -> Int64 {
        let keys = chunk.key.pointer(as: Int64.self)
        var result: Int64 = 0
        if let validity = chunk.key.validity {
            let discarded = partitioner.partitionCount
            for row in 0..<chunk.key.count {
                let isValid = validity[row]
                let key = isValid ? keys[row] : 0
                result |= body(row, key, isValid ? partitioner.bucket(of: key) : discarded)
            }
        } else {
            for row in 0..<chunk.key.count {
                result |= body(row, keys[row], partitioner.bucket(of: keys[row]))
            }
        }
        withExtendedLifetime(chunk.key) {}
        return result
    }

    /// Moves a chunk's rows.
    /// - Returns: 0 if all values fit their fields.
    func move(_ chunk: KeyedChunk, _ partitioner: some KeyPartitioner) -> Int64 {
        switch (layout.fields[0].isNarrow, layout.uniformCarried) {
        case (true, true?): move(chunk, partitioner, NarrowField.self, NarrowField.self)
        case (true, false?): move(chunk, partitioner, NarrowField.self, WideField.self)
        case (false, true?): move(chunk, partitioner, WideField.self, NarrowField.self)
        case (false, false?): move(chunk, partitioner, WideField.self, WideField.self)
        case (_, nil): moveMixed(chunk, partitioner)
        }
    }

    /// The place of a bucket's next row.
    ///
    /// Stores retire in order, so that one to a line that is not in the cache holds up all behind
    /// it. The line after this one is asked for ahead: 4 ns a row instead of 9.
    @inline(__always)
    private func take(_ bucket: Int, _ width: Int) -> UnsafeMutablePointer<UInt32> {
        let word = next[bucket]
        next[bucket] = word &+ width
        let place = target + word
        prefetch_to_write(place + 16)
        return place
    }

    private func move<Key: RowField, Value: RowField>(
        _ chunk: KeyedChunk, _ partitioner: some KeyPartitioner, _: Key.Type, _: Value.Type
    ) -> Int64 {
        let carried = chunk.carried.map { $0.pointer(as: Int64.self) }
        defer { withExtendedLifetime(chunk) {} }
        // Sums of constants, spelt out where they are used so that they are constants there too.
        switch (carried.count, chunk.firstRow) {
        case (0, nil):
            return RowMove.forEachKey(chunk, partitioner) { _, key, bucket in
                Key.store(key, take(bucket, Key.wordCount))
                return Key.excess(key)
            }
        case (0, let firstRow?):
            return RowMove.forEachKey(chunk, partitioner) { row, key, bucket in
                let output = take(bucket, Key.wordCount &+ Value.wordCount)
                Key.store(key, output)
                Value.store(Int64(truncatingIfNeeded: firstRow &+ row), output + Key.wordCount)
                return Key.excess(key)
            }
        case (1, nil):
            let first = carried[0]
            return RowMove.forEachKey(chunk, partitioner) { row, key, bucket in
                let output = take(bucket, Key.wordCount &+ Value.wordCount)
                let value = first[row]
                Key.store(key, output)
                Value.store(value, output + Key.wordCount)
                return Key.excess(key) | Value.excess(value)
            }
        case (2, nil):
            let (first, second) = (carried[0], carried[1])
            return RowMove.forEachKey(chunk, partitioner) { row, key, bucket in
                let output = take(bucket, Key.wordCount &+ 2 &* Value.wordCount)
                let values = (first[row], second[row])
                Key.store(key, output)
                Value.store(values.0, output + Key.wordCount)
                Value.store(values.1, output + (Key.wordCount &+ Value.wordCount))
                return Key.excess(key) | Value.excess(values.0) | Value.excess(values.1)
            }
        default: return moveMixed(chunk, partitioner)
        }
    }

    /// Any fields.
    private func moveMixed(_ chunk: KeyedChunk, _ partitioner: some KeyPartitioner) -> Int64 {
        let carried = chunk.carried.map { $0.pointer(as: Int64.self) }
        defer { withExtendedLifetime(chunk) {} }
        let fields = layout.fields
        let last = fields[fields.count - 1]
        let width = layout.width
        return fields.withUnsafeBufferPointer { fields in
            RowMove.forEachKey(chunk, partitioner) { row, key, bucket in
                let output = take(bucket, width)
                var excess = RowLayout.put(key, output, fields[0])
                for index in 0..<carried.count {
                    excess |= RowLayout.put(carried[index][row], output, fields[index &+ 1])
                }
                if let firstRow = chunk.firstRow {
                    RowLayout.store(Int64(truncatingIfNeeded: firstRow &+ row), output, last)
                }
                return excess
            }
        }
    }
}
