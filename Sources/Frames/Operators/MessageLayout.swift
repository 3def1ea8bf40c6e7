// The form of a shuffle's message: all columns of one destination, one after the other, in one
// piece of memory that the receiver uses as columns where it lies.
//
// Everything starts at a multiple of 64 bytes: first Int64s (rows; then per column 1 if it has
// validity bits, and its string bytes), then per column its validity bits if it has them, and its
// values: numbers in place, bools as bits, strings as rows + 1 Int64 offsets from 0, then their
// bytes with 16 spare ones, so that kernels may read and write whole words.

/// Where the parts of one message are.
struct MessageLayout {
    struct ColumnPlace {
        var validity: Int?
        var values: Int
        /// Strings only.
        var bytes = 0
        var byteCount = 0
    }

    static let blockBytes = 64

    let rowCount: Int
    let columns: [ColumnPlace]
    let byteCount: Int

    /// No rows make no message at all.
    init(schema: Schema, rowCount: Int, hasValidity: [Bool], stringBytes: [Int]) {
        self.rowCount = rowCount
        var next = 0
        func place(_ byteCount: Int) -> Int {
            defer { next += (byteCount + Self.blockBytes - 1) / Self.blockBytes * Self.blockBytes }
            return next
        }
        var places: [ColumnPlace] = []
        if rowCount > 0 { _ = place((1 + 2 * schema.count) * 8) }
        for (index, field) in schema.fields.enumerated() where rowCount > 0 {
            let validity = hasValidity[index] ? place(Bitmap.byteCount(rowCount)) : nil
            switch field.type.layout {
            case .bits:
                places.append(
                    ColumnPlace(validity: validity, values: place(Bitmap.byteCount(rowCount))))
            case .strings:
                let values = place((rowCount + 1) * 8)
                let bytes = place(stringBytes[index] + 16)
                places.append(
                    ColumnPlace(
                        validity: validity, values: values, bytes: bytes,
                        byteCount: stringBytes[index]))
            case .bytes1, .bytes2, .bytes4, .bytes8:
                let width = field.type.fixedWidth ?? 8
                places.append(ColumnPlace(validity: validity, values: place(rowCount * width)))
            }
        }
        columns = places
        byteCount = next
    }

    var blockCount: Int { byteCount / Self.blockBytes }

    /// Writes the message's beginning, which `init(reading:)` reads.
    func writePreamble(to message: UnsafeMutableRawPointer) {
        let words = message.assumingMemoryBound(to: Int.self)
        words[0] = rowCount
        for (index, place) in columns.enumerated() {
            words[1 + 2 * index] = place.validity == nil ? 0 : 1
            words[2 + 2 * index] = place.byteCount
        }
    }

    /// The layout of a message as its sender made it; nil if no message of `rowCount` rows and
    /// `byteCount` bytes begins like this.
    private init?(
        reading message: UnsafeRawPointer, byteCount: Int, rowCount: Int, schema: Schema
    ) {
        let words = message.assumingMemoryBound(to: Int.self)
        guard rowCount > 0, byteCount >= (1 + 2 * schema.count) * 8, words[0] == rowCount else {
            return nil
        }
        let stringBytes = schema.fields.indices.map { words[2 + 2 * $0] }
        guard stringBytes.allSatisfy({ (0...byteCount).contains($0) }) else { return nil }
        self.init(
            schema: schema, rowCount: rowCount,
            hasValidity: schema.fields.indices.map { words[1 + 2 * $0] != 0 },
            stringBytes: stringBytes)
        if self.byteCount != byteCount { return nil }
    }

    /// The rows of a message, as columns over its memory, after a check of all that they say about
    /// themselves. No copy; one pass over offsets and codes.
    /// - Parameters:
    ///   - rowCount: as the header said; below 2⁴⁴.
    ///   - dictionaries: what category codes stand for, by column.
    static func table(
        in buffer: Buffer, at offset: Int, byteCount: Int, rowCount: Int, schema: Schema,
        dictionaries: [CategoryDictionary?], from source: Int
    ) throws(MessageFault) -> Table {
        if byteCount == 0 && rowCount == 0 { return Table(emptyWith: schema) }
        guard
            let layout = MessageLayout(
                reading: buffer.pointer + offset, byteCount: byteCount, rowCount: rowCount,
                schema: schema)
        else {
            throw MessageFault(
                source: source,
                reason: "\(byteCount) bytes that are no message of \(rowCount) rows of (\(schema))")
        }
        var columns: [Column] = []
        for (index, place) in layout.columns.enumerated() {
            let column = column(
                schema.fields[index].type, place, in: buffer, at: offset, count: rowCount,
                dictionary: dictionaries[index])
            guard column.pointsInside else {
                throw MessageFault(
                    source: source,
                    reason: "a column \(schema.fields[index].name) that points beyond its values")
            }
            columns.append(column)
        }
        return Table(schema: schema, columns: columns, rowCount: rowCount)
    }

    private static func column(
        _ type: DataType, _ place: ColumnPlace, in buffer: Buffer, at offset: Int, count: Int,
        dictionary: CategoryDictionary?
    ) -> Column {
        func view(_ place: Int, _ byteCount: Int) -> Buffer {
            Buffer(viewing: buffer, from: offset + place, byteCount: byteCount)
        }
        let validity = place.validity.map {
            Bitmap(buffer: view($0, Bitmap.byteCount(count)), count: count)
        }
        switch type.layout {
        case .strings:
            return Column(
                type: .string, count: count, values: view(place.bytes, place.byteCount),
                offsets: view(place.values, (count + 1) * 8), validity: validity)
        case .bits:
            return Column(
                type: .bool, count: count, values: view(place.values, Bitmap.byteCount(count)),
                validity: validity)
        case .bytes1, .bytes2, .bytes4, .bytes8:
            return Column(
                type: type, count: count,
                values: view(place.values, count * (type.fixedWidth ?? 8)),
                validity: validity, dictionary: dictionary)
        }
    }
}

extension Column {
    /// Do a string's offsets stay within its bytes, and a category's codes within its dictionary?
    fileprivate var pointsInside: Bool {
        defer { withExtendedLifetime(self) {} }
        if type == .string {
            let offsets = stringOffsets
            // A descent sets the sign of a difference; without one, both ends bound all others.
            var signs = offsets[0]
            for row in 0..<count { signs |= offsets[row &+ 1] &- offsets[row] }
            return signs >= 0 && offsets[0] == 0 && offsets[count] == Int64(values.byteCount)
        }
        guard let dictionary else { return true }
        let codes = pointer(as: UInt32.self)
        let limit = dictionary.values.count
        return (0..<count).allSatisfy { isNull(at: $0) || Int(codes[$0]) < limit }
    }
}
