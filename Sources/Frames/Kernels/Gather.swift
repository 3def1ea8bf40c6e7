// Rows by index: what joins, sorts and unique do to the columns they do not carry along.
import Glibc

/// Row numbers, one Int each; −1 stands for a row of nulls where an operation allows it.
struct RowIndices: Sendable {
    let buffer: Buffer
    let count: Int

    init(buffer: Buffer, count: Int) {
        assert(buffer.byteCount >= count * 8, "indices beyond their buffer")
        self.buffer = buffer
        self.count = count
    }

    init(_ rows: [Int]) {
        self.init(buffer: Buffer(copying: rows), count: rows.count)
    }

    @inline(__always)
    var rows: UnsafePointer<Int> { UnsafePointer(buffer.elements(as: Int.self)) }

    @inline(__always)
    subscript(position: Int) -> Int { rows[position] }

    var array: [Int] { (0..<count).map { self[$0] } }
}

extension Kernels {
    /// Rows `indices` of a table.
    static func gather(_ table: Table, _ indices: RowIndices) -> Table {
        Table(
            schema: table.schema, columns: table.columns.map { gather($0, indices) },
            rowCount: indices.count)
    }

    /// Values `indices` of a column; null where the index is −1.
    static func gather(_ column: Column, _ indices: RowIndices) -> Column {
        defer { withExtendedLifetime((column, indices)) {} }
        let validity = gatherValidity(column, indices)
        func values<Element: FixedWidthInteger & BitwiseCopyable>(
            _ type: Element.Type
        ) -> Column {
            column.with(
                values: gatherValues(column.pointer(as: type), column.count, indices),
                count: indices.count, validity: validity)
        }
        switch column.type.layout {
        case .bytes8: return values(UInt64.self)
        case .bytes4: return values(UInt32.self)
        case .bytes2: return values(UInt16.self)
        case .bytes1: return values(UInt8.self)
        case .bits:
            let bits = column.bits
            let rows = indices.rows
            let gathered = Bitmap(count: indices.count) { rows[$0] >= 0 && bits[rows[$0]] }
            return Column(
                type: .bool, count: indices.count, values: gathered.buffer, validity: validity)
        case .strings: return gatherStrings(column, indices, validity: validity)
        }
    }

    /// Nil if all gathered values are there.
    private static func gatherValidity(_ column: Column, _ indices: RowIndices) -> Bitmap? {
        let rows = indices.rows
        if let validity = column.validity {
            return Bitmap(count: indices.count) { rows[$0] >= 0 && validity[rows[$0]] }
        }
        var signs = 0
        for position in 0..<indices.count { signs |= rows[position] }
        return signs < 0 ? Bitmap(count: indices.count) { rows[$0] >= 0 } : nil
    }

    private static func gatherValues<Element: FixedWidthInteger & BitwiseCopyable>(
        _ values: UnsafePointer<Element>, _ count: Int, _ indices: RowIndices
    ) -> Buffer {
        let result = Buffer(byteCount: indices.count * MemoryLayout<Element>.stride)
        let output = result.elements(as: Element.self)
        let rows = indices.rows
        if count == 0 {
            for position in 0..<indices.count { output[position] = 0 }
            return result
        }
        // Clamping reads row 0 for −1, whose value no one may look at: cheaper than a branch.
        for position in 0..<indices.count { output[position] = values[max(rows[position], 0)] }
        return result
    }

    private static func gatherStrings(
        _ column: Column, _ indices: RowIndices, validity: Bitmap?
    ) -> Column {
        let rows = indices.rows
        let sourceOffsets = column.stringOffsets
        let sourceBytes = column.stringBytes
        let offsetBuffer = Buffer(byteCount: (indices.count + 1) * 8)
        let offsets = offsetBuffer.elements(as: Int64.self)
        var total: Int64 = 0
        for position in 0..<indices.count {
            offsets[position] = total
            let row = rows[position]
            if row >= 0 { total &+= sourceOffsets[row + 1] &- sourceOffsets[row] }
        }
        offsets[indices.count] = total
        let bytes = Buffer(byteCount: Int(total))
        for position in 0..<indices.count where rows[position] >= 0 {
            let row = rows[position]
            copyString(
                from: sourceBytes + Int(sourceOffsets[row]), to: bytes.pointer,
                at: Int(offsets[position]), count: Int(offsets[position + 1] &- offsets[position]))
        }
        return Column(
            type: .string, count: indices.count, values: bytes, offsets: offsetBuffer,
            validity: validity)
    }

    /// Copies a string forwards through a buffer: short ones as two whole words, whose excess the
    /// next string overwrites or the buffer's tail takes.
    @inline(__always)
    static func copyString(
        from source: UnsafePointer<UInt8>, to buffer: UnsafeMutableRawPointer, at offset: Int,
        count: Int
    ) {
        let target = buffer + offset
        if count <= 16 {
            let raw = UnsafeRawPointer(source)
            let low = raw.loadUnaligned(as: UInt64.self)
            let high = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            target.storeBytes(of: low, as: UInt64.self)
            target.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
        } else {
            memcpy(target, source, count)
        }
    }
}
