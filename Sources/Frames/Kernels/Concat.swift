// Chunks of rows to one: where a kernel cannot work chunk by chunk.
import Glibc

extension Kernels {
    /// All rows of tables of one schema, in order; at least one table.
    static func concat(_ tables: [Table]) -> Table {
        precondition(!tables.isEmpty, "concat of no tables")
        if tables.count == 1 { return tables[0] }
        let schema = tables[0].schema
        precondition(
            tables.allSatisfy { $0.schema == schema }, "concat of tables of different schemas")
        return Table(
            schema: schema,
            columns: schema.fields.indices.map { index in concat(tables.map { $0.columns[index] })
            },
            rowCount: tables.reduce(0) { $0 + $1.rowCount })
    }

    /// All values of columns of one type, in order; at least one column.
    static func concat(_ chunks: [Column]) -> Column {
        precondition(!chunks.isEmpty, "concat of no columns")
        if chunks.count == 1 { return chunks[0] }
        let type = chunks[0].type
        precondition(chunks.allSatisfy { $0.type == type }, "concat of different types")
        let chunks = Column.unified(chunks)
        defer { withExtendedLifetime(chunks) {} }
        let count = chunks.reduce(0) { $0 + $1.count }
        let validity =
            chunks.contains { $0.validity != nil }
            ? concatBits(chunks.map { ($0.validity, $0.count) }, count: count) : nil
        func values<Element: BitwiseCopyable>(_ type: Element.Type) -> Column {
            chunks[0].with(
                values: concatValues(chunks, as: type, count), count: count, validity: validity)
        }
        switch type.layout {
        case .bytes8: return values(UInt64.self)
        case .bytes4: return values(UInt32.self)
        case .bytes2: return values(UInt16.self)
        case .bytes1: return values(UInt8.self)
        case .bits:
            return Column(
                type: type, count: count,
                values: concatBits(chunks.map { ($0.bits, $0.count) }, count: count).buffer,
                validity: validity)
        case .strings: return concatStrings(chunks, count: count, validity: validity)
        }
    }

    private static func concatValues<Element: BitwiseCopyable>(
        _ chunks: [Column], as type: Element.Type, _ count: Int
    ) -> Buffer {
        let stride = MemoryLayout<Element>.stride
        let result = Buffer(byteCount: count * stride)
        var offset = 0
        for chunk in chunks {
            memcpy(result.pointer + offset, chunk.pointer(as: type), chunk.count * stride)
            offset += chunk.count * stride
        }
        return result
    }

    /// Nil bits stand for all set.
    private static func concatBits(_ chunks: [(Bitmap?, Int)], count: Int) -> Bitmap {
        let result = Buffer(zeroedByteCount: Bitmap.byteCount(count))
        let words = result.elements(as: UInt64.self)
        var next = 0
        func append(_ word: UInt64, _ length: Int) {
            let shift = UInt64(next & 63)
            words[next >> 6] |= word << shift
            if Int(shift) + length > 64 { words[next >> 6 + 1] |= word >> (64 - shift) }
            next += length
        }
        for (bits, count) in chunks {
            if let bits {
                forEachWord(bits) { _, word, length in append(word, length) }
            } else {
                var left = count
                while left > 0 {
                    let length = min(64, left)
                    append(length == 64 ? UInt64.max : 1 << UInt64(length) - 1, length)
                    left -= length
                }
            }
        }
        return Bitmap(buffer: result, count: count)
    }

    private static func concatStrings(
        _ chunks: [Column], count: Int, validity: Bitmap?
    ) -> Column {
        let offsetBuffer = Buffer(byteCount: (count + 1) * 8)
        let offsets = offsetBuffer.elements(as: Int64.self)
        let byteCount = chunks.reduce(0) {
            $0 + Int($1.stringOffsets[$1.count] - $1.stringOffsets[0])
        }
        let bytes = Buffer(byteCount: byteCount)
        var row = 0
        var total: Int64 = 0
        for chunk in chunks {
            let source = chunk.stringOffsets
            let shift = total &- source[0]
            for index in 0..<chunk.count { offsets[row + index] = source[index] &+ shift }
            let length = source[chunk.count] - source[0]
            memcpy(
                bytes.pointer + Int(total), chunk.stringBytes + Int(source[0]), Int(length))
            row += chunk.count
            total += length
        }
        offsets[row] = total
        return Column(
            type: .string, count: count, values: bytes, offsets: offsetBuffer, validity: validity)
    }
}
