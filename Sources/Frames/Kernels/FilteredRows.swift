// A table's rows by a condition that becomes known batch by batch: what the condition has just read is
// compressed while it is in the cache.
import CProcessor
import Glibc

struct FilteredRows {
    private let table: Table
    /// Columns compressed as their rows pass: numbers without nulls.
    private var compressed: [GrowingColumn]
    /// Of all rows, for the other columns.
    private let mask: Buffer
    private var seen = 0
    private var kept = 0

    init(of table: Table) {
        self.table = table
        mask = Buffer(byteCount: Bitmap.byteCount(table.rowCount))
        compressed = table.columns.enumerated().compactMap { index, column in
            guard let width = column.type.fixedWidth, column.validity == nil else { return nil }
            return GrowingColumn(index: index, width: width)
        }
    }

    /// The next rows' values of the condition. All batches but the last have a multiple of 64.
    mutating func append(_ condition: Column) {
        let batch = condition.validity.map { condition.bits.and($0) } ?? condition.bits
        let words = mask.elements(as: UInt64.self) + seen / 64
        var count = 0
        Kernels.forEachWord(batch) { base, word, _ in
            words[base / 64] = word
            count += word.nonzeroBitCount
        }
        let keptAll = kept == seen
        let keepsAll = keptAll && count == batch.count
        // As long as no row was dropped, nothing is copied.
        // And nothing is read for a batch of which no row is kept.
        for index in compressed.indices where !keepsAll && (count > 0 || keptAll) {
            let column = table.columns[compressed[index].index]
            if keptAll { compressed[index].begin(column, seen, of: table.rowCount) }
            compressed[index].append(
                column, seen, batch, kept: kept, adding: count, of: table.rowCount)
        }
        seen += batch.count
        kept += count
        withExtendedLifetime(condition) {}
    }

    /// The rows that passed, after the last batch.
    var rows: Table {
        if kept == table.rowCount { return table }
        let keep = Bitmap(buffer: mask, count: table.rowCount)
        var columns: [Column?] = table.columns.map { _ in nil }
        for growing in compressed {
            columns[growing.index] = table.columns[growing.index].with(
                values: growing.values(kept), count: kept, validity: nil)
        }
        return Table(
            schema: table.schema,
            columns: zip(columns, table.columns).map { done, column in
                done ?? Kernels.filter(column, keep, keeping: kept)
            }, rowCount: kept)
    }
}

/// The values of one column that were kept so far.
private struct GrowingColumn {
    let index: Int
    let width: Int
    private var values = Buffer(byteCount: 0)
    private var capacity = 0

    init(index: Int, width: Int) {
        self.index = index
        self.width = width
    }

    /// The values, of which there are `count`; copied if room was made for more than twice as many.
    func values(_ count: Int) -> Buffer {
        if capacity <= 2 * count + Expression.batchRowCount { return values }
        let exact = Buffer(byteCount: count * width)
        memcpy(exact.pointer, values.pointer, count * width)
        return exact
    }

    /// Takes the first `count` rows, all of which were kept.
    mutating func begin(_ column: Column, _ count: Int, of rowCount: Int) {
        reserve(count, kept: 0, seen: count, of: rowCount)
        memcpy(values.pointer, column.values.pointer + column.start * width, count * width)
    }

    /// Takes those of the rows from `first` on whose bit is set, `count` of them.
    mutating func append(
        _ column: Column, _ first: Int, _ keep: Bitmap, kept: Int, adding count: Int,
        of rowCount: Int
    ) {
        reserve(kept + count, kept: kept, seen: first + keep.count, of: rowCount)
        switch width {
        case 8: compress(column.pointer(as: UInt64.self) + first, keep, after: kept)
        case 4: compress(column.pointer(as: UInt32.self) + first, keep, after: kept)
        case 2: compress(column.pointer(as: UInt16.self) + first, keep, after: kept)
        default: compress(column.pointer(as: UInt8.self) + first, keep, after: kept)
        }
        withExtendedLifetime(column) {}
    }

    private func compress<Element: BitwiseCopyable>(
        _ source: UnsafePointer<Element>, _ keep: Bitmap, after kept: Int
    ) {
        // Meanwhile the next batch's values come from memory: the condition would wait for them.
        let next = UnsafeRawPointer(source + Expression.batchRowCount)
        let width = MemoryLayout<Element>.stride
        Kernels.compress(source, keep, to: values.elements(as: Element.self) + kept) { row in
            for line in 0..<width { prefetch_to_read(next + row &* width + line &* 64) }
        }
    }

    /// Foresees the whole column from the share of rows kept so far.
    private mutating func reserve(_ count: Int, kept: Int, seen: Int, of rowCount: Int) {
        guard count > capacity else { return }
        let share = Double(count) / Double(max(seen, 1))
        let foreseen = min(1.03 * share, 1) * Double(rowCount)
        capacity = min(max(Int(foreseen) + Expression.batchRowCount, count), rowCount)
        let larger = Buffer(byteCount: capacity * width)
        memcpy(larger.pointer, values.pointer, kept * width)
        values = larger
    }
}
