// First step of reading a block of CSV: where its fields are. The second step then converts column
// by column, in loops that know their type and meet no delimiter. Two steps because one loop that
// does both branches on the type at every field.
import Glibc

/// Where one field's text is. Flags ride in the top bits, since blocks are shorter than 2 GiB.
struct FieldSpan {
    /// First byte; the top bit says that the field was quoted.
    var startAndFlag: UInt32
    /// Byte after the last; the top bit says that quotes remain to be taken out of the text.
    var endAndFlag: UInt32

    static let flag: UInt32 = 1 << 31

    @inline(__always) var start: Int { Int(startAndFlag & ~FieldSpan.flag) }
    @inline(__always) var end: Int { Int(endAndFlag & ~FieldSpan.flag) }
    @inline(__always) var isQuoted: Bool { startAndFlag & FieldSpan.flag != 0 }
    @inline(__always) var needsUnquoting: Bool { endAndFlag & FieldSpan.flag != 0 }
}

/// What is wrong with a record, and where it begins in the block.
struct RecordFault: Equatable {
    enum Kind: Equatable {
        case ragged(fields: Int)
        case unterminatedQuote
    }
    var kind: Kind
    var offset: Int
}

/// Finds the fields of a block's complete records, row by row.
struct RecordIndexer {
    let delimiter: UInt8
    /// Fields per record; nil takes the first record's number.
    var width: Int?

    /// Field f of record r is `fields[r * width + f]`.
    private(set) var fields: UnsafeMutableBufferPointer<FieldSpan>
    private(set) var recordCount = 0
    /// Bytes that the records found take, with blank lines between and after them.
    private(set) var consumed = 0
    private(set) var fault: RecordFault?

    private let delimiterWord: UInt64

    init(delimiter: UInt8, width: Int?) {
        self.delimiter = delimiter
        self.width = width
        self.fields = UnsafeMutableBufferPointer(start: nil, count: 0)
        self.delimiterWord = UInt64(delimiter) &* 0x0101_0101_0101_0101
    }

    func deallocate() { fields.deallocate() }

    /// Indexes the records of `block` that begin before `limit`, until the first that is not
    /// complete or faulty. `isLast`: the file ends with the block, so its last record needs no
    /// line end. Eight bytes after the block must be readable.
    mutating func index(
        _ block: UnsafeBufferPointer<UInt8>, limit: Int, isLast: Bool, maxRecords: Int = .max
    ) {
        precondition(block.count < Int(FieldSpan.flag), "blocks are shorter than 2 GiB")
        if fields.count < block.count + 2 {
            fields.deallocate()
            fields = .allocate(capacity: block.count + 2)
        }
        recordCount = 0
        consumed = 0
        fault = nil
        var next = 0
        var position = 0
        while position < limit, recordCount < maxRecords {
            guard let start = skipBlankLines(block, from: position, isLast: isLast) else { break }
            position = start
            consumed = start
            if start >= limit || start >= block.count { break }
            let first = next
            guard let end = indexRecord(block, from: start, isLast: isLast, next: &next) else {
                break
            }
            let found = next - first
            if let width, width != found {
                fault = RecordFault(kind: .ragged(fields: found), offset: start)
                break
            }
            width = found
            position = end
            consumed = end
            recordCount += 1
        }
    }

    /// The first byte of a line that is not blank; nil if the block ends before that is certain.
    @inline(__always)
    private func skipBlankLines(
        _ block: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool
    ) -> Int? {
        if start < block.count, block[start] > 0x20 { return start }
        return skipBlankLinesSlowly(block, from: start, isLast: isLast)
    }

    @inline(never)
    private func skipBlankLinesSlowly(
        _ block: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool
    ) -> Int? {
        var line = start
        while line < block.count {
            var index = line
            while index < block.count, isSpace(block[index]), block[index] != delimiter {
                index += 1
            }
            if index == block.count { return isLast ? index : nil }
            if block[index] == lineFeed {
                line = index + 1
            } else if block[index] == carriageReturn {
                guard let next = afterCarriageReturn(block, at: index, isLast: isLast) else {
                    return nil
                }
                line = next
            } else {
                return line
            }
        }
        return line
    }

    /// The start of the line after the CR at `index`; nil if a LF may follow in the next block.
    @inline(__always)
    private func afterCarriageReturn(
        _ block: UnsafeBufferPointer<UInt8>, at index: Int, isLast: Bool
    ) -> Int? {
        if index + 1 < block.count { return block[index + 1] == lineFeed ? index + 2 : index + 1 }
        return isLast ? index + 1 : nil
    }

    /// Indexes one record and returns where the next line begins; nil if it is not complete.
    @inline(__always)
    private mutating func indexRecord(
        _ block: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool, next: inout Int
    ) -> Int? {
        var index = start
        while true {
            var span = FieldSpan(startAndFlag: UInt32(index), endAndFlag: 0)
            var end = index
            if index < block.count, block[index] == quote {
                guard let closed = quotedField(block, from: index, isLast: isLast, &span) else {
                    return nil
                }
                end = closed
            } else {
                end = endOfField(block, from: index)
                span.endAndFlag = UInt32(end)
            }
            if end == block.count && !isLast { return nil }
            fields[next] = span
            next += 1
            if end == block.count { return end }
            if block[end] == delimiter {
                index = end + 1
            } else if block[end] == lineFeed {
                return end + 1
            } else {
                return afterCarriageReturn(block, at: end, isLast: isLast)
            }
        }
    }

    /// The next delimiter, CR or LF at or after `start`, or the block's end. Eight bytes at a time:
    /// `(x - 0x01…) & ~x & 0x80…` marks zero bytes of x, exactly so for the lowest one.
    @inline(__always)
    private func endOfField(_ block: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        guard let base = UnsafeRawPointer(block.baseAddress) else { return start }
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        var index = start
        while index < block.count {
            let word = UInt64(
                littleEndian: (base + index).loadUnaligned(as: UInt64.self))
            let isDelimiter = word ^ delimiterWord
            let isLineFeed = word ^ (ones &* UInt64(lineFeed))
            let isReturn = word ^ (ones &* UInt64(carriageReturn))
            let found =
                ((isDelimiter &- ones) & ~isDelimiter | (isLineFeed &- ones) & ~isLineFeed
                    | (isReturn &- ones) & ~isReturn) & tops
            if found != 0 {
                return min(index &+ found.trailingZeroBitCount &>> 3, block.count)
            }
            index &+= 8
        }
        return block.count
    }

    /// Fills `span` for the field whose opening quote is at `start` and returns the byte after it;
    /// nil if the block ends before the field does.
    @inline(never)
    private mutating func quotedField(
        _ block: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool, _ span: inout FieldSpan
    ) -> Int? {
        guard let base = block.baseAddress else { return nil }
        var hasInnerQuotes = false
        var index = start + 1
        while true {
            guard let found = memchr(base + index, Int32(quote), block.count - index) else {
                if isLast { fault = RecordFault(kind: .unterminatedQuote, offset: start) }
                return nil
            }
            let position = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            index = position + 1
            if index < block.count, block[index] == quote {
                hasInnerQuotes = true
                index += 1
                continue
            }
            if index == block.count && !isLast { return nil }
            // Text after the closing quote belongs to the field, as in pandas.
            let end = endOfField(block, from: index)
            if hasInnerQuotes || end > index {
                span.startAndFlag = UInt32(start) | FieldSpan.flag
                span.endAndFlag = UInt32(end) | FieldSpan.flag
            } else {
                span.startAndFlag = UInt32(start + 1) | FieldSpan.flag
                span.endAndFlag = UInt32(position)
            }
            return end
        }
    }
}

/// Takes the quotes out of a quoted field's raw text and appends the rest to `text`.
func unquote(
    _ raw: UnsafeBufferPointer<UInt8>, delimiter: UInt8, into text: inout [UInt8]
) {
    text.removeAll(keepingCapacity: true)
    var state = QuoteState.fieldStart
    for byte in raw {
        let next = state.after(byte, delimiter: delimiter)
        switch (state, next) {
        case (.fieldStart, .quoted), (.quoted, .quoteInQuoted): break
        default: text.append(byte)
        }
        state = next
    }
}
