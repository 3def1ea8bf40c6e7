// Columns from the numbers of their rows: the way back from KeyEncoder, block by block, so that what is
// left of the numbers stays in the cache from digit to digit.

/// Reads numbers of a numbering. Any number makes some row, so that those of other ranks may be read.
struct KeyDecoder {
    private let numbering: KeyNumbering
    private let types: [DataType]

    private static let mask = KeyNumbering.limit - 1

    /// - Parameter types: of the columns that were numbered, in their order.
    init(_ numbering: KeyNumbering, types: [DataType]) {
        self.numbering = numbering
        self.types = types
    }

    /// The columns whose rows have these numbers.
    /// - Parameter numbers: int64; the columns are null too where it is.
    func columns(_ numbers: Column) -> [Column] {
        let outputs = numbering.parts.map {
            DigitColumn($0, count: numbers.count, validity: numbers.validity)
        }
        let radices = numbering.parts.map { Divider($0.radix) }
        let source = numbers.pointer(as: UInt64.self)
        let rest = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
        let digits = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
        var row = 0
        while row < numbers.count {
            let count = min(KeyEncoder.blockRowCount, numbers.count - row)
            let left = rest.elements(as: UInt64.self)
            let digit = digits.elements(as: UInt64.self)
            // Whatever another rank may have sent: no divider is asked for more than it can do.
            for position in 0..<count { left[position] = source[row &+ position] & Self.mask }
            for index in outputs.indices.reversed() {
                if index == 0 {
                    outputs[0].write(left, row..<row + count)
                } else {
                    let radix = radices[index]
                    for position in 0..<count {
                        (left[position], digit[position]) =
                            radix.quotientAndRemainder(left[position])
                    }
                    outputs[index].write(digit, row..<row + count)
                }
            }
            row += count
        }
        withExtendedLifetime((numbers, rest, digits)) {}
        return zip(outputs, types).map { output, type in
            type == .string ? output.column : Kernels.narrowed(output.column, to: type)
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
    private let offset: UInt64
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
        precondition(part.descendsFrom == nil, "numbers of a descending order are not read")
        offset = part.offset
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
            let first = minimum &- Int64(bitPattern: offset)
            for index in 0..<rows.count {
                output[index] = first &+ Int64(bitPattern: digits[index])
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

    private func isValid(_ row: Int) -> Bool { rowValidity.map { $0[row] } ?? true }

    private func write(
        _ decoder: TextDecoder, _ digits: UnsafePointer<UInt64>, _ rows: Range<Int>,
        to offsets: Buffer
    ) {
        let ends = offsets.elements(as: Int64.self) + rows.lowerBound
        var end = Int(ends[0])
        for index in 0..<rows.count {
            let (bytes, length) = decoder.text(digits[index])
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
                let (bytes, length) = decoder.text(digits[index] &- offset)
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
