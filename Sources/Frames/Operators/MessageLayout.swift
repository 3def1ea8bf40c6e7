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

    /// The layout of a message as its sender made it.
    init(reading message: UnsafeRawPointer, schema: Schema) {
        let words = message.assumingMemoryBound(to: Int.self)
        self.init(
            schema: schema, rowCount: words[0],
            hasValidity: schema.fields.indices.map { words[1 + 2 * $0] != 0 },
            stringBytes: schema.fields.indices.map { words[2 + 2 * $0] })
    }

    /// The rows of a message, as columns over its memory. No copy.
    static func table(
        in buffer: Buffer, at offset: Int, byteCount: Int, schema: Schema
    ) -> Table {
        if byteCount == 0 { return Table(emptyWith: schema) }
        let layout = MessageLayout(reading: buffer.pointer + offset, schema: schema)
        assert(layout.byteCount == byteCount, "a message of \(byteCount) bytes")
        func view(_ place: Int, _ byteCount: Int) -> Buffer {
            Buffer(viewing: buffer, from: offset + place, byteCount: byteCount)
        }
        let count = layout.rowCount
        let columns = zip(schema.fields, layout.columns).map { field, place in
            let validity = place.validity.map {
                Bitmap(buffer: view($0, Bitmap.byteCount(count)), count: count)
            }
            switch field.type.layout {
            case .strings:
                return Column(
                    type: .string, count: count, values: view(place.bytes, place.byteCount),
                    offsets: view(place.values, (count + 1) * 8), validity: validity)
            case .bits:
                return Column(
                    type: .bool, count: count, values: view(place.values, Bitmap.byteCount(count)),
                    validity: validity)
            case .bytes1, .bytes2, .bytes4, .bytes8:
                let width = field.type.fixedWidth ?? 8
                return Column(
                    type: field.type, count: count, values: view(place.values, count * width),
                    validity: validity,
                    dictionary: field.type == .category ? .empty : nil)
            }
        }
        return Table(schema: schema, columns: columns, rowCount: count)
    }
}
