// Expressions in batches of rows that fit the cache: an operator's result is still there when the
// next operator reads it, and no temporary is as long as the column.
import Glibc

extension Expression {
    /// Rows of a batch: values of eight bytes, three of them, fit the L2 cache many times over, and
    /// a batch costs far more than starting one.
    static let batchRowCount = 1 << 13

    /// The column this computes from the rows of `table`. Local; a plain column is not copied.
    /// - Throws: `malformedValue` for what a strict cast refuses.
    func evaluate(on table: Table) throws(FrameError) -> Column {
        var assembly: ColumnAssembly?
        var parts: [Column] = []
        // One operation leaves no temporaries, and a plain column is there.
        if node.depth <= 1 { return try node.evaluate(on: table).column(count: table.rowCount) }
        return try evaluate(on: table) { part in
            if assembly == nil && parts.isEmpty {
                assembly = ColumnAssembly(of: part, count: table.rowCount)
            }
            if assembly?.append(part) == nil { parts.append(part) }
        } ?? assembly?.column ?? Kernels.concat(parts)
    }

    /// The column, or nil if `body` was called with it batch by batch: each but the last of a multiple
    /// of 64 rows.
    func evaluate(
        on table: Table, byBatches body: (Column) -> Void
    ) throws(FrameError) -> Column? {
        let count = table.rowCount
        guard count > 2 * Expression.batchRowCount, !node.needsWholeColumns,
            node.depth > 1 || node.isOfNumbers(in: table.schema)
        else {
            return try node.evaluate(on: table).column(count: count)
        }
        do throws(FrameError) {
            var first = 0
            while first < count {
                let rows = first..<Swift.min(first + Expression.batchRowCount, count)
                let batch = table.slice(rows)
                body(try node.evaluate(on: batch).column(count: rows.count))
                first = rows.upperBound
            }
            return nil
        } catch {
            // Once more at once: then the error names the row of the whole.
            return try node.evaluate(on: table).column(count: count)
        }
    }
}

extension Expression.Node {
    /// Is it one operation on numbers, which costs nothing to begin anew for every batch? One on
    /// categories looks at their dictionary first, a function at its list.
    fileprivate func isOfNumbers(in schema: Schema) -> Bool {
        guard case .binary = self, depth == 1 else { return false }
        var areNumbers = true
        forEachColumn { name in
            let type = schema.index(of: name).map { schema.fields[$0].type }
            areNumbers = areNumbers && type?.isText == false
        }
        return areNumbers
    }
}

/// A fixed-width or bool column that grows by batches of whole words of bits.
struct ColumnAssembly {
    private let type: DataType
    private let count: Int
    private let values: Buffer
    private var validity: Buffer?
    private var done = 0

    /// Nil for texts, which are put together at the end.
    init?(of first: Column, count: Int) {
        if first.type.isText { return nil }
        type = first.type
        self.count = count
        let width = first.type.fixedWidth
        values = Buffer(byteCount: width.map { $0 * count } ?? Bitmap.byteCount(count))
    }

    /// Batches but the last have a multiple of 64 rows.
    mutating func append(_ part: Column) {
        assert(done & 63 == 0, "a batch that does not end at a word")
        if let width = type.fixedWidth {
            memcpy(
                values.pointer + done * width, part.values.pointer + part.start * width,
                part.count * width)
        } else {
            copy(part.bits, to: values)
        }
        if let bits = part.validity {
            if validity == nil {
                let all = Buffer(byteCount: Bitmap.byteCount(count))
                memset(all.pointer, 0xFF, all.byteCount)
                validity = all
            }
            if let validity { copy(bits, to: validity) }
        }
        done += part.count
        withExtendedLifetime(part) {}
    }

    private func copy(_ bits: Bitmap, to target: Buffer) {
        let words = target.elements(as: UInt64.self) + done / 64
        Kernels.forEachWord(bits) { base, word, _ in words[base / 64] = word }
    }

    var column: Column {
        Column(
            type: type, count: count, values: values,
            validity: validity.map { Bitmap(buffer: $0, count: count) })
    }
}
