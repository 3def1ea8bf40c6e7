// Rows into messages: by any assignment of rows to ranks (one pass per column that writes to all
// destinations at once), or by ranges of rows (plain copies).
import Glibc

/// What one round of an exchange sends: a message for every rank, laid out but not written.
protocol Packing {
    /// One per rank.
    var layouts: [MessageLayout] { get }
    /// Writes message r to `messages[r]`; one without rows has no bytes.
    func write(to messages: [UnsafeMutableRawPointer], leavingOut own: Int?)
    /// The rows for `rank` if they are there without writing them; then `write` can leave them out.
    func rowsInPlace(for rank: Int) -> Table?
}

/// Each row to the rank that `destinations` names.
struct ScatterPacking: Packing {
    let table: Table
    let destinations: Destinations
    let layouts: [MessageLayout]

    init(_ table: Table, to destinations: Destinations) {
        self.table = table
        self.destinations = destinations
        let rankCount = destinations.counts.count
        let stringBytes = table.columns.map { column in
            column.type == .string
                ? destinations.stringBytes(column) : [Int](repeating: 0, count: rankCount)
        }
        let hasValidity = table.columns.map { $0.validity != nil }
        layouts = (0..<rankCount).map { rank in
            MessageLayout(
                schema: table.schema, rowCount: destinations.counts[rank],
                hasValidity: hasValidity, stringBytes: stringBytes.map { $0[rank] })
        }
    }

    func rowsInPlace(for rank: Int) -> Table? { nil }

    func write(to messages: [UnsafeMutableRawPointer], leavingOut own: Int?) {
        assert(own == nil, "every row is scattered")
        for (layout, message) in zip(layouts, messages) where layout.rowCount > 0 {
            layout.writePreamble(to: message)
        }
        for (index, column) in table.columns.enumerated() {
            func targets(
                _ place: (MessageLayout.ColumnPlace) -> Int
            ) -> [UnsafeMutableRawPointer] {
                zip(layouts, messages).map { layout, message in
                    layout.rowCount == 0 ? message : message + place(layout.columns[index])
                }
            }
            if let validity = column.validity {
                destinations.scatterBits(validity, to: targets { $0.validity ?? 0 })
            }
            switch column.type.layout {
            case .bytes8:
                destinations.scatter(column.pointer(as: UInt64.self), to: targets(\.values))
            case .bytes4:
                destinations.scatter(column.pointer(as: UInt32.self), to: targets(\.values))
            case .bytes2:
                destinations.scatter(column.pointer(as: UInt16.self), to: targets(\.values))
            case .bytes1:
                destinations.scatter(column.pointer(as: UInt8.self), to: targets(\.values))
            case .bits:
                destinations.scatterBits(column.bits, to: targets(\.values))
            case .strings:
                destinations.scatterStrings(
                    column, offsets: targets(\.values), bytes: targets(\.bytes))
            }
            withExtendedLifetime(column) {}
        }
    }
}

/// Consecutive rows to each rank.
struct RangePacking: Packing {
    let table: Table
    let ranges: [Range<Int>]
    let layouts: [MessageLayout]

    init(_ table: Table, ranges: [Range<Int>]) {
        self.table = table
        self.ranges = ranges
        let hasValidity = table.columns.map { $0.validity != nil }
        layouts = ranges.map { range in
            MessageLayout(
                schema: table.schema, rowCount: range.count, hasValidity: hasValidity,
                stringBytes: table.columns.map { column in
                    guard column.type == .string else { return 0 }
                    let offsets = column.stringOffsets
                    return Int(offsets[range.upperBound] - offsets[range.lowerBound])
                })
        }
    }

    func rowsInPlace(for rank: Int) -> Table? { table.slice(ranges[rank]) }

    func write(to messages: [UnsafeMutableRawPointer], leavingOut own: Int?) {
        for (rank, range) in ranges.enumerated() where !range.isEmpty && rank != own {
            layouts[rank].writePreamble(to: messages[rank])
            for (place, column) in zip(layouts[rank].columns, table.columns) {
                Self.write(column.slice(range), to: messages[rank], place)
            }
        }
    }

    private static func write(
        _ column: Column, to message: UnsafeMutableRawPointer, _ place: MessageLayout.ColumnPlace
    ) {
        defer { withExtendedLifetime(column) {} }
        func write(_ bits: Bitmap, at place: Int) {
            let words = (message + place).assumingMemoryBound(to: UInt64.self)
            Kernels.forEachWord(bits) { base, word, _ in words[base / 64] = word }
        }
        if let validity = column.validity, let start = place.validity { write(validity, at: start) }
        switch column.type.layout {
        case .bytes8:
            memcpy(message + place.values, column.pointer(as: UInt64.self), column.count * 8)
        case .bytes4:
            memcpy(message + place.values, column.pointer(as: UInt32.self), column.count * 4)
        case .bytes2:
            memcpy(message + place.values, column.pointer(as: UInt16.self), column.count * 2)
        case .bytes1:
            memcpy(message + place.values, column.pointer(as: UInt8.self), column.count)
        case .bits:
            write(column.bits, at: place.values)
        case .strings:
            let source = column.stringOffsets
            let offsets = (message + place.values).assumingMemoryBound(to: Int64.self)
            for row in 0...column.count { offsets[row] = source[row] - source[0] }
            memcpy(
                message + place.bytes, column.stringBytes + Int(source[0]),
                Int(source[column.count] - source[0]))
        }
    }
}
