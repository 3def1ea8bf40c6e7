// A table sorted by keys that make one number: rows move with their number and with the columns that
// fit beside it, so that these need no random access afterwards. The others are gathered.
import CProcessor
import Glibc

/// What a row of the sort holds, and how output columns come of it.
private struct SortPlan {
    enum Source {
        /// From the row's number.
        case number(start: Int64, descends: Bool)
        /// This word of the row.
        case word(Int)
        /// By row number: rows with equal numbers have equal values, so one of them will do.
        case key
        case gathered
    }

    let encoder: KeyEncoder
    /// Per column of the table.
    let sources: [Source]
    /// Columns carried, in words 1 and on.
    let carried: [Column]
    /// Bits of the number.
    let keyBits: Int
    /// Bits of the row number below it in the first word; 0 if it is not there.
    let rowBits: Int
    /// The word that is the row number; nil if it is in the first word, or nowhere.
    let rowWord: Int?
    /// Words per row.
    let width: Int

    var needsRows: Bool { rowBits > 0 || rowWord != nil }

    private static let carriedLimit = 2

    init(_ table: Table, _ keys: [ColumnOrder], _ encoder: KeyEncoder) {
        self.encoder = encoder
        let keyColumns = Set(keys.map(\.column))
        var carried: [Column] = []
        var sources: [Source] = []
        var needsRows = false
        for (index, column) in table.columns.enumerated() {
            if keyColumns.contains(index) {
                if column.type.storage == .int64, let integer = encoder.numbering.singleInteger {
                    sources.append(.number(start: integer.start, descends: integer.descends))
                } else if column.type.layout == .bytes8, column.validity == nil,
                    carried.count < Self.carriedLimit
                {
                    carried.append(column)
                    sources.append(.word(carried.count))
                } else {
                    needsRows = true
                    // −0 and 0 have one number, but are two values.
                    sources.append(column.type.isFloat ? .gathered : .key)
                }
            } else if column.type.layout == .bytes8, column.validity == nil,
                carried.count < Self.carriedLimit
            {
                carried.append(column)
                sources.append(.word(carried.count))
            } else {
                needsRows = true
                sources.append(.gathered)
            }
        }
        self.sources = sources
        self.carried = carried
        keyBits = UInt64.bitWidth - (encoder.limit - 1).leadingZeroBitCount
        let bits = Int.bitWidth - max(table.rowCount - 1, 1).leadingZeroBitCount
        let fits = keyBits + bits <= UInt64.bitWidth
        rowBits = needsRows && fits ? bits : 0
        rowWord = needsRows && !fits ? carried.count + 1 : nil
        width = 1 + carried.count + (rowWord == nil ? 0 : 1)
    }
}

extension Kernels {
    /// The table's rows in order; nil if the keys do not make one number.
    static func sortByNumber(_ table: Table, by keys: [ColumnOrder]) -> Table? {
        guard table.rowCount > 1, !keys.isEmpty,
            let encoder = KeyEncoder(keys.map { table.columns[$0.column] }, order: keys)
        else { return nil }
        let plan = SortPlan(table, keys, encoder)
        switch plan.width {
        case 1: return NumberSort<OneWord>(table, plan).run()
        case 2: return NumberSort<TwoWords>(table, plan).run()
        case 3: return NumberSort<ThreeWords>(table, plan).run()
        default: return NumberSort<FourWords>(table, plan).run()
        }
    }
}

private struct NumberSort<Width: RowWidth> {
    private let table: Table
    private let plan: SortPlan
    private let rowCount: Int
    /// Bits of the number that the first pass sorts by.
    private let firstBits: Int
    private let numberBuffer = Buffer(byteCount: KeyEncoder.blockRowCount * 8)

    init(_ table: Table, _ plan: SortPlan) {
        self.table = table
        self.plan = plan
        rowCount = table.rowCount
        firstBits = min(plan.keyBits, Self.bits(rowCount))
    }

    /// Pieces of rows that fit the cache, and not too many to write to at once.
    private static func bits(_ rowCount: Int) -> Int {
        var bits = 1
        while bits < 10 && rowCount >> bits > 4096 { bits += 1 }
        return bits
    }

    func run() -> Table {
        var starts = [Int](repeating: 0, count: 1 << firstBits + 1)
        if count(into: &starts) { return table }
        let rows = Buffer(byteCount: rowCount * Width.words * 8)
        move(to: rows.elements(as: UInt64.self), starts)
        let outputs = plan.sources.map { source in
            switch source {
            case .number, .word: Buffer(byteCount: rowCount * 8)
            case .key, .gathered: Buffer(byteCount: 0)
            }
        }
        let needsKeys = plan.sources.contains { if case .key = $0 { true } else { false } }
        let needsGather = plan.sources.contains { if case .gathered = $0 { true } else { false } }
        let keyRows = Buffer(byteCount: needsKeys ? rowCount * 8 : 0)
        let gatheredRows = Buffer(byteCount: needsGather ? rowCount * 8 : 0)

        let largest = (0..<1 << firstBits).reduce(0) { max($0, starts[$1 + 1] - starts[$1]) }
        let other = Buffer(byteCount: largest * Width.words * 8)
        let sorter = RowSorter<Width>(lowestBit: UInt64(plan.rowBits))
        for piece in 0..<1 << firstBits {
            let range = starts[piece]..<starts[piece + 1]
            if range.isEmpty { continue }
            let place = rows.elements(as: UInt64.self) + range.lowerBound * Width.words
            sorter.sort(
                place, other.elements(as: UInt64.self), range.count,
                bits: plan.keyBits - firstBits)
            for (source, output) in zip(plan.sources, outputs) {
                write(source, place, range, to: output)
            }
            if needsKeys { writeKeyRows(place, range, to: keyRows.elements(as: Int.self)) }
            if needsGather {
                let target = gatheredRows.elements(as: Int.self) + range.lowerBound
                for row in 0..<range.count { target[row] = rowNumber(place + row &* Width.words) }
            }
        }
        withExtendedLifetime((rows, other)) {}
        let columns = zip(plan.sources.indices, table.columns).map { index, column in
            switch plan.sources[index] {
            case .number, .word:
                Column(type: column.type, count: rowCount, values: outputs[index])
            case .key:
                Kernels.gather(column, RowIndices(buffer: keyRows, count: rowCount))
            case .gathered:
                Kernels.gather(column, RowIndices(buffer: gatheredRows, count: rowCount))
            }
        }
        return Table(schema: table.schema, columns: columns, rowCount: rowCount)
    }

    /// Calls `body(first row, how many, their numbers)` block by block.
    @inline(__always)
    private func forEachBlock(_ body: (Int, Int, UnsafeMutablePointer<UInt64>) -> Void) {
        let numbers = numberBuffer.elements(as: UInt64.self)
        var row = 0
        while row < rowCount {
            let end = min(row + KeyEncoder.blockRowCount, rowCount)
            plan.encoder.encode(row..<end, to: numbers)
            body(row, end &- row, numbers)
            row = end
        }
    }

    /// Where the pieces begin; true if the rows are in order as they are.
    private func count(into starts: inout [Int]) -> Bool {
        var descents = 0
        var previous: UInt64 = 0
        let shift = UInt64(plan.keyBits - firstBits)
        starts.withUnsafeMutableBufferPointer { starts in
            guard let base = starts.baseAddress else { return }
            let counts = base + 1
            forEachBlock { _, count, numbers in
                for index in 0..<count {
                    let number = numbers[index]
                    descents &+= Int(
                        truncatingIfNeeded: unsafeBitCast(number < previous, to: UInt8.self))
                    previous = number
                    counts[Int(truncatingIfNeeded: number &>> shift)] &+= 1
                }
            }
            for piece in 0..<1 << firstBits { base[piece + 1] += base[piece] }
        }
        return descents == 0
    }

    /// Every row to its piece.
    private func move(to target: UnsafeMutablePointer<UInt64>, _ starts: [Int]) {
        var next = starts
        let shift = UInt64(plan.keyBits - firstBits)
        let rowBits = UInt64(plan.rowBits)
        let carried = plan.carried.map { UnsafePointer($0.pointer(as: UInt64.self)) }
        let first = carried.first ?? UnsafePointer(target)
        let second = carried.count > 1 ? carried[1] : first
        let rowWord = plan.rowWord ?? 0
        let carriedCount = carried.count
        next.withUnsafeMutableBufferPointer { next in
            guard let next = next.baseAddress else { return }
            forEachBlock { start, count, numbers in
                for index in 0..<count {
                    let number = numbers[index]
                    let piece = Int(truncatingIfNeeded: number &>> shift)
                    let position = next[piece]
                    next[piece] = position &+ 1
                    let place = target + position &* Width.words
                    prefetch_to_write(place + 8)
                    let row = start &+ index
                    place[0] =
                        rowBits == 0
                        ? number : number &<< rowBits | UInt64(truncatingIfNeeded: row)
                    if Width.words > 1 && carriedCount > 0 { place[1] = first[row] }
                    if Width.words > 2 && carriedCount > 1 { place[2] = second[row] }
                    if rowWord > 0 { place[rowWord] = UInt64(truncatingIfNeeded: row) }
                }
            }
        }
        withExtendedLifetime(plan.carried) {}
    }

    private func write(
        _ source: SortPlan.Source, _ rows: UnsafeMutablePointer<UInt64>, _ range: Range<Int>,
        to output: Buffer
    ) {
        let target = output.elements(as: UInt64.self) + range.lowerBound
        switch source {
        case .number(let start, let descends):
            let base = UInt64(bitPattern: start)
            let rowBits = UInt64(plan.rowBits)
            for row in 0..<range.count {
                let number = rows[row &* Width.words] &>> rowBits
                target[row] = descends ? base &- number : base &+ number
            }
        case .word(let word):
            for row in 0..<range.count { target[row] = rows[row &* Width.words &+ word] }
        case .key, .gathered: return
        }
    }

    @inline(__always)
    private func rowNumber(_ row: UnsafeMutablePointer<UInt64>) -> Int {
        if let word = plan.rowWord { return Int(truncatingIfNeeded: row[word]) }
        return Int(truncatingIfNeeded: row[0] & (1 &<< UInt64(plan.rowBits) &- 1))
    }

    /// Of rows with equal numbers the first one's row, so that it alone is read.
    private func writeKeyRows(
        _ rows: UnsafeMutablePointer<UInt64>, _ range: Range<Int>,
        to target: UnsafeMutablePointer<Int>
    ) {
        let rowBits = UInt64(plan.rowBits)
        var previous = ~rows[0]
        var known = 0
        for row in 0..<range.count {
            let place = rows + row &* Width.words
            if (place[0] ^ previous) &>> rowBits != 0 {
                known = rowNumber(place)
                previous = place[0]
            }
            target[range.lowerBound &+ row] = known
        }
    }
}
