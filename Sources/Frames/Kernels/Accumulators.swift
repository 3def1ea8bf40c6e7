// Flat accumulators indexed by group number, one loop per function and type.
import Glibc

extension Kernels {
    /// One value per group.
    static func groupAggregate(
        _ function: GroupAggregate.Function, _ chunks: [Column], _ groups: Groups
    ) -> Column {
        defer { withExtendedLifetime((chunks, groups)) {} }
        switch function {
        case .len: return lens(groups)
        case .count: return counts(chunks, groups)
        case .sum:
            return chunks[0].type.isFloat
                ? floatSums(chunks, groups)
                : integerSums(chunks, groups).reinterpreted(as: chunks[0].type.sumType)
        case .floatSum: return floatSums(chunks.map(asFloats), groups)
        case .min: return extremes(chunks, groups, greatest: false)
        case .max: return extremes(chunks, groups, greatest: true)
        }
    }

    private static func asFloats(_ column: Column) -> Column {
        column.type == .float64 ? column : Evaluation.cast(column, to: .float64)
    }

    /// Calls `body(group, row of chunk)` for each valid value.
    @inline(__always)
    private static func forEachValue(
        _ chunk: Column, from firstRow: Int, _ groups: Groups, _ body: (Int, Int) -> Void
    ) {
        let ids = groups.ids.elements(as: UInt32.self) + firstRow
        if let validity = chunk.validity {
            for row in 0..<chunk.count where validity[row] { body(Int(ids[row]), row) }
        } else {
            for row in 0..<chunk.count { body(Int(ids[row]), row) }
        }
    }

    private static func lens(_ groups: Groups) -> Column {
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let totals = buffer.elements(as: Int64.self)
        let ids = groups.ids.elements(as: UInt32.self)
        for row in 0..<groups.rowCount { totals[Int(ids[row])] &+= 1 }
        return Column(type: .int64, count: groups.count, values: buffer)
    }

    private static func counts(_ chunks: [Column], _ groups: Groups) -> Column {
        if chunks.allSatisfy({ $0.validity == nil }) { return lens(groups) }
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let totals = buffer.elements(as: Int64.self)
        var firstRow = 0
        for chunk in chunks {
            forEachValue(chunk, from: firstRow, groups) { group, _ in totals[group] &+= 1 }
            firstRow += chunk.count
        }
        return Column(type: .int64, count: groups.count, values: buffer)
    }

    private static func integerSums(_ chunks: [Column], _ groups: Groups) -> Column {
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let totals = buffer.elements(as: Int64.self)
        var firstRow = 0
        for chunk in chunks {
            let codes = widened(chunk)
            let values = codes.pointer(as: Int64.self)
            forEachValue(codes, from: firstRow, groups) { group, row in
                totals[group] &+= values[row]
            }
            withExtendedLifetime(codes) {}
            firstRow += chunk.count
        }
        return Column(type: .int64, count: groups.count, values: buffer)
    }

    private static func floatSums(_ chunks: [Column], _ groups: Groups) -> Column {
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let totals = buffer.elements(as: Double.self)
        var firstRow = 0
        for chunk in chunks {
            let wide = widened(chunk)
            let values = wide.pointer(as: Double.self)
            forEachValue(wide, from: firstRow, groups) { group, row in
                totals[group] += values[row]
            }
            withExtendedLifetime(wide) {}
            firstRow += chunk.count
        }
        return Column(type: .float64, count: groups.count, values: buffer)
    }

    /// The row of each group's least or greatest value, then those values.
    private static func extremes(
        _ chunks: [Column], _ groups: Groups, greatest: Bool
    ) -> Column {
        let column = concat(chunks)
        defer { withExtendedLifetime(column) {} }
        switch column.type.storage {
        case .int64:
            return extremes(
                column, column.pointer(as: Int64.self), groups,
                initial: greatest ? Int64.min : Int64.max
            ) { greatest ? max($0, $1) : min($0, $1) }
        case .int32:
            return extremes(
                column, column.pointer(as: Int32.self), groups,
                initial: greatest ? Int32.min : Int32.max
            ) { greatest ? max($0, $1) : min($0, $1) }
        case .float64:
            // NaN, the start, gives way to anything: a group of NaN alone stays NaN.
            return extremes(column, column.pointer(as: Double.self), groups, initial: .nan) {
                greatest ? Double.maximum($0, $1) : Double.minimum($0, $1)
            }
        case .uint32 where column.dictionary != nil:
            return rowExtremes(column, groups, greatest: greatest)
        case .uint64:
            let ordered = flipped(column.reinterpreted(as: .int64))
            return flipped(extremes([ordered], groups, greatest: greatest))
                .reinterpreted(as: .uint64)
        case .int8, .int16, .uint8, .uint16, .uint32, .float32:
            return narrowed(
                extremes([widened(column)], groups, greatest: greatest), to: column.type)
        case .bits, .strings: return rowExtremes(column, groups, greatest: greatest)
        }
    }

    @inline(__always)
    private static func extremes<Element: BitwiseCopyable>(
        _ column: Column, _ values: UnsafePointer<Element>, _ groups: Groups, initial: Element,
        _ better: (Element, Element) -> Element
    ) -> Column {
        let buffer = Buffer(byteCount: groups.count * MemoryLayout<Element>.stride)
        let results = buffer.elements(as: Element.self)
        for group in 0..<groups.count { results[group] = initial }
        forEachValue(column, from: 0, groups) { group, row in
            results[group] = better(results[group], values[row])
        }
        return Column(
            type: column.type, count: groups.count, values: buffer,
            validity: groupsWithValues(column, groups))
    }

    /// Which groups have a value; nil if all.
    private static func groupsWithValues(_ column: Column, _ groups: Groups) -> Bitmap? {
        if column.validity == nil { return nil }
        let flags = Buffer(zeroedByteCount: groups.count)
        let seen = flags.elements(as: UInt8.self)
        forEachValue(column, from: 0, groups) { group, _ in seen[group] = 1 }
        let bits = Bitmap(count: groups.count) { seen[$0] != 0 }
        withExtendedLifetime(flags) {}
        return bits.setCount == groups.count ? nil : bits
    }

    /// For types without a cheap value to keep: keeps the row, and gathers.
    private static func rowExtremes(
        _ column: Column, _ groups: Groups, greatest: Bool
    ) -> Column {
        let buffer = Buffer(byteCount: groups.count * 8)
        let best = buffer.elements(as: Int.self)
        for group in 0..<groups.count { best[group] = -1 }
        let isBetter: (Int, Int) -> Bool
        if column.type.isText {
            isBetter = { compareBytes(column.utf8(at: $0), column.utf8(at: $1)) < 0 }
        } else {
            let bits = column.bits
            isBetter = { !bits[$0] && bits[$1] }
        }
        forEachValue(column, from: 0, groups) { group, row in
            let known = best[group]
            if known < 0 || (greatest ? isBetter(known, row) : isBetter(row, known)) {
                best[group] = row
            }
        }
        return gather(column, RowIndices(buffer: buffer, count: groups.count))
    }

    /// Order of UTF-8 bytes, which is the order of code points: negative, zero or positive.
    @inline(__always)
    static func compareBytes(
        _ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>
    ) -> Int {
        guard let firstBase = first.baseAddress, let secondBase = second.baseAddress else {
            return first.count - second.count
        }
        let order = memcmp(firstBase, secondBase, min(first.count, second.count))
        return order != 0 ? Int(order) : first.count - second.count
    }
}
