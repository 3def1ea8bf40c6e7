// Matches the rows of two partitioned sides. Per partition the build side is sorted into the slots
// of a table, so that the rows a key may match lie side by side; then the probe side streams past.
import Glibc

/// Which field of which side an output column takes.
struct JoinField {
    enum Side { case probe, build }
    let side: Side
    let field: Int
}

/// Joins partition after partition into growing columns of 8-byte values.
struct JoinMatcher {
    /// Each side in pieces with the same partitions: after a shuffle, one from each rank.
    private let probe: [RadixRows]
    private let build: [RadixRows]
    private let probeLayout: RowLayout
    private let buildLayout: RowLayout
    private let outputs: [JoinField]
    /// Probe rows without a match are kept, with zeros (row number −1) for the build side.
    private let keepsUnmatched: Bool
    /// Whether the build side's last field is a row number.
    private let buildHasRowNumbers: Bool

    private(set) var columns: [Buffer]
    private(set) var count = 0
    /// One byte per output row, 0 where the build side is missing; only when keeping unmatched.
    private(set) var matched: Buffer?
    private var capacity: Int
    private var probed = 0

    /// Build rows of a partition in slot order, and a row of nulls behind them.
    private var sorted: Buffer
    /// First sorted row per slot, and the end.
    private var slotStarts: Buffer
    /// Matches of a batch: probe row in the low half, sorted build row in the high half.
    private let pairs = Buffer(byteCount: (Self.pairLimit + 4) * 8)
    private static let pairLimit = 2048

    /// - Parameters:
    ///   - probe: with keys in fields as wide as those of `build`.
    init(
        probe: [RadixRows], build: [RadixRows], outputs: [JoinField], keepsUnmatched: Bool,
        buildHasRowNumbers: Bool
    ) {
        precondition(!probe.isEmpty && !build.isEmpty, "a join of no rows has pieces too")
        self.probe = probe
        self.build = build
        probeLayout = probe[0].layout
        buildLayout = build[0].layout
        precondition(
            probeLayout.fields[0] == buildLayout.fields[0], "keys are compared as they are")
        self.outputs = outputs
        self.keepsUnmatched = keepsUnmatched
        self.buildHasRowNumbers = buildHasRowNumbers
        // A quarter more than the probe side: pages never written cost nothing.
        let rowCount = probe.reduce(0) { $0 + $1.rowCount }
        let capacity = rowCount + rowCount / 4 + 64
        self.capacity = capacity
        columns = outputs.map { _ in Buffer(byteCount: capacity * 8) }
        matched = keepsUnmatched ? Buffer(byteCount: capacity) : nil
        sorted = Buffer(byteCount: 0)
        slotStarts = Buffer(byteCount: 0)
    }

    /// Of the build side's output columns: nil if no row lacks a match.
    var validity: Bitmap? {
        guard let matched else { return nil }
        let flags = matched.elements(as: UInt8.self)
        defer { withExtendedLifetime(matched) {} }
        let bits = Bitmap(count: count) { flags[$0] != 0 }
        return bits.setCount == count ? nil : bits
    }

    /// Does it all.
    mutating func run(_ partitioner: some KeyPartitioner) {
        if buildLayout.fields[0].isNarrow {
            run(partitioner, NarrowField.self)
        } else {
            run(partitioner, WideField.self)
        }
    }

    private mutating func run<Key: RowField>(_ partitioner: some KeyPartitioner, _ key: Key.Type) {
        for partition in 0..<partitioner.partitionCount {
            let rowCount = probe.reduce(0) { $0 + $1.rows(of: partition).count }
            if rowCount == 0 { continue }
            let buildCount = build.reduce(0) { $0 + $1.rows(of: partition).count }
            if buildCount == 0 && !keepsUnmatched { continue }
            let slotCount = partitioner.slotCount(rowCount: buildCount)
            sort(partition, rowCount: buildCount, slotCount: slotCount, partitioner, key)
            for piece in probe {
                match(
                    piece, piece.rows(of: partition), buildCount: buildCount,
                    slotCount: slotCount, partitioner, key)
            }
            probed += rowCount
        }
        if keepsUnmatched {
            for piece in probe {
                emitDiscarded(piece, piece.rows(of: partitioner.partitionCount))
            }
        }
    }

    private mutating func sort<Key: RowField>(
        _ partition: Int, rowCount: Int, slotCount: Int, _ partitioner: some KeyPartitioner,
        _: Key.Type
    ) {
        let width = buildLayout.width
        // Four rows more: the null row, and the rows that matching reads beyond the end.
        Self.require(&sorted, (rowCount + 4) * width * 4)
        Self.require(&slotStarts, (slotCount + 2) * 4)
        let target = sorted.elements(as: UInt32.self)
        let starts = slotStarts.elements(as: UInt32.self)
        memset(starts, 0, (slotCount + 2) * 4)
        // Counts go to slot + 1; after the prefix sum that is where the slot begins, after the move
        // where it ends, that is where the next one begins.
        for piece in build {
            let rows = piece.rows(of: partition)
            let source = piece.words.elements(as: UInt32.self) + rows.lowerBound * width
            for row in 0..<rows.count {
                let key = Key.load(source + row &* width)
                starts[partitioner.slot(of: key, slotCount: slotCount) &+ 2] &+= 1
            }
        }
        var total: UInt32 = 0
        for slot in 1...slotCount {
            total &+= starts[slot]
            starts[slot] = total
        }
        for piece in build {
            let rows = piece.rows(of: partition)
            let source = piece.words.elements(as: UInt32.self) + rows.lowerBound * width
            for row in 0..<rows.count {
                let key = Key.load(source + row &* width)
                let slot = partitioner.slot(of: key, slotCount: slotCount)
                let position = Int(starts[slot &+ 1])
                starts[slot &+ 1] &+= 1
                Self.copyRow(source + row &* width, to: target + position &* width, width)
            }
        }
        writeNulls(target + rowCount * width)
    }

    /// The row of nulls, and three more that nobody minds.
    private func writeNulls(_ row: UnsafeMutablePointer<UInt32>) {
        for word in 0..<4 * buildLayout.width { row[word] = 0 }
        if buildHasRowNumbers {
            RowLayout.store(-1, row, buildLayout.fields[buildLayout.fields.count - 1])
        }
    }

    private mutating func match<Partitioner: KeyPartitioner, Key: RowField>(
        _ piece: RadixRows, _ rows: Range<Int>, buildCount: Int, slotCount: Int,
        _ partitioner: Partitioner, _: Key.Type
    ) {
        let width = buildLayout.width
        let probeWidth = probeLayout.width
        let keys = piece.words.elements(as: UInt32.self) + rows.lowerBound * probeWidth
        let buildRows = UnsafePointer(sorted.elements(as: UInt32.self))
        let starts = slotStarts.elements(as: UInt32.self)
        let pairs = pairs.elements(as: UInt64.self)
        let keepsUnmatched = keepsUnmatched
        let null = UInt64(truncatingIfNeeded: buildCount) << 32
        var pairCount = 0
        @inline(__always)
        func isMatch(_ candidate: Int, _ end: Int, _ key: Int64) -> Int {
            let within = candidate < end
            if Partitioner.slotsAreKeys {
                return Int(truncatingIfNeeded: unsafeBitCast(within, to: UInt8.self))
            }
            let equal = Key.load(buildRows + candidate &* width) == key
            return Int(
                truncatingIfNeeded: unsafeBitCast(within, to: UInt8.self)
                    & unsafeBitCast(equal, to: UInt8.self))
        }
        for row in 0..<rows.count {
            let key = Key.load(keys + row &* probeWidth)
            let slot = partitioner.slot(of: key, slotCount: slotCount)
            let start = Int(starts[slot])
            let end = Int(starts[slot &+ 1])
            let low = UInt64(truncatingIfNeeded: row)
            // Three candidates are written without a branch, as how many match is anyone's guess;
            // a pair that is none is overwritten.
            let before = pairCount
            pairs[pairCount] = low | UInt64(truncatingIfNeeded: start) << 32
            pairCount &+= isMatch(start, end, key)
            pairs[pairCount] = low | UInt64(truncatingIfNeeded: start &+ 1) << 32
            pairCount &+= isMatch(start &+ 1, end, key)
            pairs[pairCount] = low | UInt64(truncatingIfNeeded: start &+ 2) << 32
            pairCount &+= isMatch(start &+ 2, end, key)
            var found = pairCount &- before
            if end &- start > 3 {
                for candidate in start &+ 3..<end {
                    if pairCount >= Self.pairLimit {
                        flush(pairCount, keys, buildCount: buildCount)
                        pairCount = 0
                    }
                    let matches = isMatch(candidate, end, key)
                    pairs[pairCount] = low | UInt64(truncatingIfNeeded: candidate) << 32
                    pairCount &+= matches
                    found &+= matches
                }
            }
            if keepsUnmatched {
                pairs[pairCount] = low | null
                pairCount &+= Int(truncatingIfNeeded: unsafeBitCast(found == 0, to: UInt8.self))
            }
            if pairCount >= Self.pairLimit {
                flush(pairCount, keys, buildCount: buildCount)
                pairCount = 0
            }
        }
        flush(pairCount, keys, buildCount: buildCount)
    }

    @inline(__always)
    private static func copyRow(
        _ source: UnsafePointer<UInt32>, to target: UnsafeMutablePointer<UInt32>, _ width: Int
    ) {
        if width == 2 {
            WideField.store(WideField.load(source), target)
        } else if width == 4 {
            WideField.store(WideField.load(source), target)
            WideField.store(WideField.load(source + 2), target + 2)
        } else {
            for word in 0..<width { target[word] = source[word] }
        }
    }

    /// Rows that cannot match, their keys being null or out of range.
    private mutating func emitDiscarded(_ piece: RadixRows, _ rows: Range<Int>) {
        Self.require(&sorted, 4 * buildLayout.byteWidth)
        writeNulls(sorted.elements(as: UInt32.self))
        let keys = piece.words.elements(as: UInt32.self) + rows.lowerBound * probeLayout.width
        let pairs = pairs.elements(as: UInt64.self)
        var row = 0
        while row < rows.count {
            let batch = min(Self.pairLimit, rows.count - row)
            for index in 0..<batch { pairs[index] = UInt64(truncatingIfNeeded: row &+ index) }
            flush(batch, keys, buildCount: 0)
            row += batch
        }
    }

    /// Appends a batch of matches to the output, column by column, all sources being in cache.
    private mutating func flush(
        _ pairCount: Int, _ keys: UnsafePointer<UInt32>, buildCount: Int
    ) {
        if count + pairCount > capacity { grow(toHold: count + pairCount) }
        let pairs = UnsafePointer(pairs.elements(as: UInt64.self))
        for (output, column) in zip(outputs, columns) {
            let target = column.elements(as: Int64.self) + count
            let isProbe = output.side == .probe
            let layout = isProbe ? probeLayout : buildLayout
            let source = isProbe ? keys : UnsafePointer(sorted.elements(as: UInt32.self))
            let field = layout.fields[output.field]
            if field.isNarrow {
                Self.gather(
                    pairs, pairCount, shift: isProbe ? 0 : 32, source + field.word, layout.width,
                    to: target, NarrowField.self)
            } else {
                Self.gather(
                    pairs, pairCount, shift: isProbe ? 0 : 32, source + field.word, layout.width,
                    to: target, WideField.self)
            }
        }
        if let matched {
            let flags = matched.elements(as: UInt8.self) + count
            let null = UInt64(truncatingIfNeeded: buildCount)
            for index in 0..<pairCount {
                flags[index] = unsafeBitCast(pairs[index] >> 32 != null, to: UInt8.self)
            }
        }
        count += pairCount
    }

    /// One field of the rows that half of each pair names.
    @inline(__always)
    private static func gather<Field: RowField>(
        _ pairs: UnsafePointer<UInt64>, _ pairCount: Int, shift: UInt64,
        _ source: UnsafePointer<UInt32>, _ width: Int, to target: UnsafeMutablePointer<Int64>,
        _: Field.Type
    ) {
        for index in 0..<pairCount {
            let row = Int(truncatingIfNeeded: (pairs[index] &>> shift) & 0xFFFF_FFFF)
            target[index] = Field.load(source + row &* width)
        }
    }

    /// Foresees the whole output from the share of rows done.
    private mutating func grow(toHold needed: Int) {
        let total = probe.reduce(0) { $0 + $1.rowCount }
        let foreseen = Double(needed) * 1.1 * Double(total) / Double(max(probed, total / 16, 1))
        capacity = max(needed + Self.pairLimit, min(Int(foreseen), needed * 4), capacity * 3 / 2)
        for index in columns.indices {
            let larger = Buffer(byteCount: capacity * 8)
            memcpy(larger.pointer, columns[index].pointer, count * 8)
            columns[index] = larger
        }
        if let old = matched {
            let larger = Buffer(byteCount: capacity)
            memcpy(larger.pointer, old.pointer, count)
            matched = larger
        }
    }

    private static func require(_ buffer: inout Buffer, _ byteCount: Int) {
        if buffer.byteCount < byteCount { buffer = Buffer(byteCount: byteCount + byteCount / 4) }
    }
}
