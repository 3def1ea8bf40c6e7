// Columns from the numbers of their rows: the way back from KeyEncoder, block by block, so that what is
// left of the numbers stays in the cache from digit to digit.

/// Reads numbers of a numbering. Any number makes some row, so that those of other ranks may be read.
struct KeyDecoder {
    private let types: [DataType?]
    private let outputs: [DigitColumn?]
    private let radices: [Divider]
    private let rest = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
    private let digits = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
    private var done = 0

    /// Of the bits that numbers and digits have, which dividers ask for.
    fileprivate static let mask = KeyNumbering.limit - 1

    /// - Parameters:
    ///   - types: of the columns that were numbered, in their order; nil for one that is not wanted.
    ///   - count: how many numbers there will be.
    ///   - validity: of the numbers; the columns are null too where they are.
    init(_ numbering: KeyNumbering, types: [DataType?], count: Int, validity: Bitmap? = nil) {
        self.types = types
        outputs = zip(numbering.parts, types).map { part, type in
            type.map { _ in DigitColumn(part, count: count, validity: validity) }
        }
        radices = numbering.parts.map { Divider($0.radix) }
    }

    /// The columns whose rows have these numbers.
    /// - Parameter numbers: int64.
    static func columns(
        _ numbers: Column, _ numbering: KeyNumbering, types: [DataType]
    ) -> [Column] {
        var decoder = KeyDecoder(
            numbering, types: types, count: numbers.count, validity: numbers.validity)
        let source = numbers.pointer(as: UInt64.self)
        decoder.append(numbers.count) { source[$0] }
        withExtendedLifetime(numbers) {}
        return decoder.columns.compactMap(\.self)
    }

    /// The next rows' numbers: `number(0)` to `number(count - 1)`.
    @inline(__always)
    mutating func append(_ count: Int, _ number: (Int) -> UInt64) {
        let left = rest.elements(as: UInt64.self)
        var row = 0
        while row < count {
            let length = min(KeyEncoder.blockRowCount, count - row)
            // Whatever another rank may have sent: no divider is asked for more than it can do.
            for position in 0..<length { left[position] = number(row &+ position) & Self.mask }
            writeBlock(length)
            row += length
        }
    }

    private mutating func writeBlock(_ count: Int) {
        let left = rest.elements(as: UInt64.self)
        let digit = digits.elements(as: UInt64.self)
        let rows = done..<done + count
        for index in outputs.indices.reversed() {
            if index == 0 {
                outputs[0]?.write(left, rows)
            } else {
                let radix = radices[index]
                for position in 0..<count {
                    (left[position], digit[position]) =
                        radix.quotientAndRemainder(left[position])
                }
                outputs[index]?.write(digit, rows)
            }
        }
        done = rows.upperBound
    }

    /// What was numbered, after the last number; nil where it was not wanted.
    var columns: [Column?] {
        zip(outputs, types).map { output, type in
            guard let output, let type else { return nil }
            return type == .string ? output.column : Kernels.narrowed(output.column, to: type)
        }
    }
}

/// A column that grows by the digits of its rows.
private struct DigitColumn {
    private enum Values {
        case integers(minimum: Int64)
        case texts(TextDecoder)
    }

    private let values: Values
    /// A value's digit is `last` less the one in the number where these count down, else that one
    /// less `offset`.
    private let offset: UInt64
    private let last: UInt64?
    private let null: UInt64?
    private let count: Int
    /// Of the numbers.
    private let rowValidity: Bitmap?
    /// Of the values too, where a digit may stand for null.
    private let ownValidity: Bitmap?
    private let buffer: Buffer
    /// Texts only.
    private let offsets: Buffer?

    init(_ part: KeyNumbering.Part, count: Int, validity: Bitmap?) {
        offset = part.offset
        last = part.descendsFrom.map { $0 &+ part.offset }
        null = part.null
        self.count = count
        rowValidity = validity
        ownValidity = part.null.map { _ in Bitmap(repeating: true, count: count) }
        switch part.digit {
        case .integer(let minimum):
            values = .integers(minimum: minimum)
            buffer = Buffer(byteCount: count * 8)
            offsets = nil
        case .text(let digits):
            let decoder = TextDecoder(digits)
            values = .texts(decoder)
            buffer = Buffer(byteCount: count * decoder.longest + 16)
            let offsets = Buffer(byteCount: (count + 1) * 8)
            offsets.elements(as: Int64.self)[0] = 0
            self.offsets = offsets
        }
    }

    /// The values of rows `rows`, which follow those written before.
    func write(_ digits: UnsafePointer<UInt64>, _ rows: Range<Int>) {
        if let null, let bits = ownValidity {
            let words = bits.buffer.elements(as: UInt64.self)
            for index in 0..<rows.count
            where digits[index] == null || !isValid(rows.lowerBound &+ index) {
                let row = rows.lowerBound &+ index
                words[row >> 6] &= ~(1 &<< UInt64(row & 63))
            }
        }
        switch values {
        case .integers(let minimum):
            let output = buffer.elements(as: Int64.self) + rows.lowerBound
            for index in 0..<rows.count {
                output[index] = minimum &+ Int64(bitPattern: own(digits[index]))
            }
        case .texts(let decoder):
            guard let offsets else { return }
            if rowValidity == nil && ownValidity == nil {
                write(decoder, digits, rows, to: offsets)
            } else {
                writePresent(decoder, digits, rows, to: offsets)
            }
        }
    }

    @inline(__always)
    private func own(_ digit: UInt64) -> UInt64 { last.map { $0 &- digit } ?? digit &- offset }

    private func isValid(_ row: Int) -> Bool { rowValidity.map { $0[row] } ?? true }

    private func write(
        _ decoder: TextDecoder, _ digits: UnsafePointer<UInt64>, _ rows: Range<Int>,
        to offsets: Buffer
    ) {
        let ends = offsets.elements(as: Int64.self) + rows.lowerBound
        var end = Int(ends[0])
        for index in 0..<rows.count {
            let (bytes, length) = decoder.text(own(digits[index]) & KeyDecoder.mask)
            (buffer.pointer + end).storeBytes(of: bytes, as: SIMD2<UInt64>.self)
            end &+= length
            ends[index &+ 1] = Int64(end)
        }
    }

    /// The same where some rows are null, which have no bytes.
    private func writePresent(
        _ decoder: TextDecoder, _ digits: UnsafePointer<UInt64>, _ rows: Range<Int>,
        to offsets: Buffer
    ) {
        let ends = offsets.elements(as: Int64.self) + rows.lowerBound
        var end = Int(ends[0])
        for index in 0..<rows.count {
            let row = rows.lowerBound &+ index
            if ownValidity.map({ $0[row] }) ?? isValid(row) {
                let (bytes, length) = decoder.text(own(digits[index]) & KeyDecoder.mask)
                (buffer.pointer + end).storeBytes(of: bytes, as: SIMD2<UInt64>.self)
                end &+= length
            }
            ends[index &+ 1] = Int64(end)
        }
    }

    var column: Column {
        let validity = ownValidity.map { $0.setCount == count ? nil : $0 } ?? rowValidity
        guard let offsets else {
            return Column(type: .int64, count: count, values: buffer, validity: validity)
        }
        let end = Int(offsets.elements(as: Int64.self)[count])
        var bytes = Buffer(viewing: buffer, from: 0, byteCount: end)
        if end < buffer.byteCount / 2 {
            // Room was made for strings that are all as long as the longest.
            bytes = Buffer(byteCount: end)
            bytes.pointer.copyMemory(from: buffer.pointer, byteCount: end)
        }
        return Column(
            type: .string, count: count, values: bytes, offsets: offsets, validity: validity)
    }
}
