// Pieces of a table sorted by keys that make one number: rows move with their number and with the columns that
// fit beside it, so that these need no random access afterwards. The others are gathered.
import CProcessor
import Glibc

/// What a row of the sort holds, and how output columns come of it.
private struct SortPlan {
    enum Source {
        /// From the row's number, which is nothing else.
        case number(start: Int64, descends: Bool)
        /// A digit of the row's number.
        case digit(Int)
        /// This word of the row.
        case word(Int)
        /// By row number.
        case gathered
    }

    let numbering: KeyNumbering
    /// Per key the type that is read from its digit; nil where none is.
    let digitTypes: [DataType?]
    /// Per column of the table.
    let sources: [Source]
    /// Columns carried, in words 1 and on.
    let carried: [Int]
    /// Bits of the number.
    let keyBits: Int
    /// Bits of the row number below it in the first word; 0 if it is not there.
    let rowBits: Int
    /// The word that is the row number; nil if it is in the first word, or nowhere.
    let rowWord: Int?
    /// Words per row.
    let width: Int

    private static let carriedLimit = 2

    init(_ pieces: [Table], _ keys: [ColumnOrder], _ numbering: KeyNumbering) {
        self.numbering = numbering
        var digitTypes: [DataType?] = keys.map { _ in nil }
        var carried: [Int] = []
        var sources: [Source] = []
        for (index, type) in pieces[0].schema.fields.map(\.type).enumerated() {
            let key = keys.firstIndex { $0.column == index }
            if key != nil, type.storage == .int64, let integer = numbering.singleInteger {
                sources.append(.number(start: integer.start, descends: integer.descends))
            } else if let key, type.isReadFromDigits {
                digitTypes[key] = type
                sources.append(.digit(key))
            } else if type.layout == .bytes8, carried.count < Self.carriedLimit,
                pieces.allSatisfy({ $0.columns[index].validity == nil })
            {
                carried.append(index)
                sources.append(.word(carried.count))
            } else {
                sources.append(.gathered)
            }
        }
        self.digitTypes = digitTypes
        self.sources = sources
        self.carried = carried
        keyBits = UInt64.bitWidth - (numbering.limit - 1).leadingZeroBitCount
        let rowCount = pieces.reduce(0) { $0 + $1.rowCount }
        let bits = Int.bitWidth - max(rowCount - 1, 1).leadingZeroBitCount
        let needsRows = sources.contains { if case .gathered = $0 { true } else { false } }
        let fits = keyBits + bits <= UInt64.bitWidth
        rowBits = needsRows && fits ? bits : 0
        rowWord = needsRows && !fits ? carried.count + 1 : nil
        width = 1 + carried.count + (rowWord == nil ? 0 : 1)
    }
}

extension DataType {
    /// Is a value of a sort's key known by its digit? −0 and 0 have one, and are two values; uint64
    /// are numbered in another form.
    fileprivate var isReadFromDigits: Bool { !isFloat && storage != .uint64 }
}

extension Kernels {
    /// All rows in order; nil if the keys do not make one number. The pieces' memory is let go once
    /// their rows have moved, if nobody else holds it.
    static func sortByNumber(_ pieces: inout [Table], by keys: [ColumnOrder]) -> Table? {
        guard !keys.isEmpty,
            let encoders = KeyEncoder.encoders(
                pieces.map { piece in keys.map { piece.columns[$0.column] } }, order: keys)
        else { return nil }
        let plan = SortPlan(pieces, keys, encoders[0].numbering)
        return switch plan.width {
        case 1: NumberSort<OneWord>(pieces, plan).run(&pieces, consume encoders)
        case 2: NumberSort<TwoWords>(pieces, plan).run(&pieces, consume encoders)
        case 3: NumberSort<ThreeWords>(pieces, plan).run(&pieces, consume encoders)
        default: NumberSort<FourWords>(pieces, plan).run(&pieces, consume encoders)
        }
    }
}

private struct NumberSort<Width: RowWidth> {
    private let plan: SortPlan
    private let rowCount: Int
    /// Bits of the number that the first pass sorts by.
    private let firstBits: Int

    init(_ pieces: [Table], _ plan: SortPlan) {
        self.plan = plan
        rowCount = pieces.reduce(0) { $0 + $1.rowCount }
        firstBits = min(plan.keyBits, Self.bits(rowCount))
    }

    /// Ranges of rows that fit the cache, and not too many to write to at once.
    private static func bits(_ rowCount: Int) -> Int {
        var bits = 1
        while bits < 10 && rowCount >> bits > 4096 { bits += 1 }
        return bits
    }

    func run(_ pieces: inout [Table], _ encoders: consuming [KeyEncoder]) -> Table {
        var starts = [Int](repeating: 0, count: 1 << firstBits + 1)
        if count(pieces, encoders, into: &starts) { return Kernels.concat(pieces) }
        let rows = Buffer(byteCount: rowCount * Width.words * 8)
        move(pieces, consume encoders, to: rows.elements(as: UInt64.self), starts)
        let schema = pieces[0].schema
        let gathered = plan.sources.enumerated().map { index, source -> Column? in
            guard case .gathered = source else { return nil }
            return Kernels.concat(pieces.map { $0.columns[index] })
        }
        pieces = []
        return sorted(rows, starts, schema, gathered)
    }

    /// The output, range by range.
    private func sorted(
        _ rows: Buffer, _ starts: [Int], _ schema: Schema, _ gathered: [Column?]
    ) -> Table {
        let outputs = plan.sources.map { source in
            switch source {
            case .number, .word: Buffer(byteCount: rowCount * 8)
            case .digit, .gathered: Buffer(byteCount: 0)
            }
        }
        let needsGather = gathered.contains { $0 != nil }
        let rowNumbers = Buffer(byteCount: needsGather ? rowCount * 8 : 0)
        let readsDigits = plan.digitTypes.contains { $0 != nil }
        var decoder = KeyDecoder(plan.numbering, types: plan.digitTypes, count: rowCount)

        let largest = (0..<1 << firstBits).reduce(0) { max($0, starts[$1 + 1] - starts[$1]) }
        let other = Buffer(byteCount: largest * Width.words * 8)
        let sorter = RowSorter<Width>(lowestBit: UInt64(plan.rowBits))
        for number in 0..<1 << firstBits {
            let range = starts[number]..<starts[number + 1]
            if range.isEmpty { continue }
            let place = rows.elements(as: UInt64.self) + range.lowerBound * Width.words
            sorter.sort(
                place, other.elements(as: UInt64.self), range.count,
                bits: plan.keyBits - firstBits)
            for (source, output) in zip(plan.sources, outputs) {
                write(source, place, range, to: output)
            }
            if readsDigits {
                let rowBits = UInt64(plan.rowBits)
                decoder.append(range.count) { place[$0 &* Width.words] &>> rowBits }
            }
            if needsGather {
                let target = rowNumbers.elements(as: Int.self) + range.lowerBound
                for row in 0..<range.count { target[row] = rowNumber(place + row &* Width.words) }
            }
        }
        withExtendedLifetime((rows, other)) {}
        let keys = decoder.columns
        let columns = plan.sources.indices.map { index in
            switch plan.sources[index] {
            case .number, .word:
                return Column(
                    type: schema.fields[index].type, count: rowCount, values: outputs[index])
            case .digit(let key):
                guard let column = keys[key] else { preconditionFailure("a digit of no type") }
                return column
            case .gathered:
                guard let column = gathered[index] else { preconditionFailure("not kept") }
                return Kernels.gather(
                    column, RowIndices(buffer: rowNumbers, count: rowCount))
            }
        }
        return Table(schema: schema, columns: columns, rowCount: rowCount)
    }

    /// Calls `body(first row, how many, their numbers)` block by block of a piece.
    @inline(__always)
    private func forEachBlock(
        _ piece: Table, _ encoder: KeyEncoder,
        _ body: (Int, Int, UnsafeMutablePointer<UInt64>) -> Void
    ) {
        let numberBuffer = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
        let numbers = numberBuffer.elements(as: UInt64.self)
        var row = 0
        while row < piece.rowCount {
            let end = min(row + KeyEncoder.blockRowCount, piece.rowCount)
            encoder.encode(row..<end, to: numbers)
            body(row, end &- row, numbers)
            row = end
        }
        withExtendedLifetime(numberBuffer) {}
    }

    /// Where the ranges of numbers begin; true if the rows are in order as they are.
    private func count(
        _ pieces: [Table], _ encoders: [KeyEncoder], into starts: inout [Int]
    ) -> Bool {
        var descents = 0
        var previous: UInt64 = 0
        let shift = UInt64(plan.keyBits - firstBits)
        starts.withUnsafeMutableBufferPointer { starts in
            guard let base = starts.baseAddress else { return }
            let counts = base + 1
            for (piece, encoder) in zip(pieces, encoders) {
                forEachBlock(piece, encoder) { _, count, numbers in
                    for index in 0..<count {
                        let number = numbers[index]
                        descents &+= Int(
                            truncatingIfNeeded: unsafeBitCast(number < previous, to: UInt8.self))
                        previous = number
                        counts[Int(truncatingIfNeeded: number &>> shift)] &+= 1
                    }
                }
            }
            for range in 0..<1 << firstBits { base[range + 1] += base[range] }
        }
        return descents == 0
    }

    /// Every row to its range of numbers.
    private func move(
        _ pieces: [Table], _ encoders: consuming [KeyEncoder],
        to target: UnsafeMutablePointer<UInt64>, _ starts: [Int]
    ) {
        var next = starts
        next.withUnsafeMutableBufferPointer { next in
            guard let next = next.baseAddress else { return }
            var firstRow = 0
            for (piece, encoder) in zip(pieces, encoders) {
                move(piece, encoder, firstRow: firstRow, to: target, next)
                firstRow += piece.rowCount
            }
        }
    }

    private func move(
        _ piece: Table, _ encoder: KeyEncoder, firstRow: Int,
        to target: UnsafeMutablePointer<UInt64>, _ next: UnsafeMutablePointer<Int>
    ) {
        let shift = UInt64(plan.keyBits - firstBits)
        let rowBits = UInt64(plan.rowBits)
        let carried = plan.carried.map {
            UnsafePointer(piece.columns[$0].pointer(as: UInt64.self))
        }
        let first = carried.first ?? UnsafePointer(target)
        let second = carried.count > 1 ? carried[1] : first
        let rowWord = plan.rowWord ?? 0
        let carriedCount = carried.count
        forEachBlock(piece, encoder) { start, count, numbers in
            for index in 0..<count {
                let number = numbers[index]
                let range = Int(truncatingIfNeeded: number &>> shift)
                let position = next[range]
                next[range] = position &+ 1
                let place = target + position &* Width.words
                prefetch_to_write(place + 8)
                let row = start &+ index
                let rowNumber = UInt64(truncatingIfNeeded: firstRow &+ row)
                place[0] = rowBits == 0 ? number : number &<< rowBits | rowNumber
                if Width.words > 1 && carriedCount > 0 { place[1] = first[row] }
                if Width.words > 2 && carriedCount > 1 { place[2] = second[row] }
                if rowWord > 0 { place[rowWord] = rowNumber }
            }
        }
        withExtendedLifetime(piece) {}
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
        case .digit, .gathered: return
        }
    }

    @inline(__always)
    private func rowNumber(_ row: UnsafeMutablePointer<UInt64>) -> Int {
        if let word = plan.rowWord { return Int(truncatingIfNeeded: row[word]) }
        return Int(truncatingIfNeeded: row[0] & (1 &<< UInt64(plan.rowBits) &- 1))
    }
}
