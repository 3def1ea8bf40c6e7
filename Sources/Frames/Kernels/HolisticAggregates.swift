// Aggregates of whole groups: those that partial results of several ranks cannot be merged to.

extension Kernels {
    /// One value per group, of all its rows.
    static func holistic(
        _ function: Aggregate.Function, _ column: Column, _ groups: Groups
    ) -> Column {
        switch function {
        case .first: return gather(column, groups.firstRows)
        case .last: return gather(column, lastRows(groups))
        case .nUnique: return distinctCounts(column, groups)
        case .variance: return variances(column, groups)
        case .std:
            return NumericFunction.map(variances(column, groups)) { (value: Double) in
                value.squareRoot()
            }
        case .median: return quantiles(column, groups, 0.5)
        case .quantile(let share): return quantiles(column, groups, share)
        case .sum: return groupAggregate(.sum, [column], groups)
        case .count: return groupAggregate(.count, [column], groups)
        case .len: return groupAggregate(.len, [], groups)
        case .min: return groupAggregate(.min, [column], groups)
        case .max: return groupAggregate(.max, [column], groups)
        case .mean: return means(column, groups)
        }
    }

    /// The value of no rows, as a column of one.
    static func holisticOfNothing(_ function: Aggregate.Function, _ column: Column) -> Column {
        switch function {
        case .count, .len, .nUnique: return Column([Int64(0)])
        case .sum:
            let type = column.type.sumType
            return type == .float64 ? Column([0.0]) : Column([Int64(0)]).reinterpreted(as: type)
        case .first, .last, .min, .max:
            return gather(Column.empty(column.type), RowIndices([-1]))
        case .mean, .std, .variance, .median, .quantile:
            return gather(Column.empty(.float64), RowIndices([-1]))
        }
    }

    private static func lastRows(_ groups: Groups) -> RowIndices {
        let buffer = Buffer(byteCount: groups.count * 8)
        let rows = buffer.elements(as: Int.self)
        let ids = groups.ids.elements(as: UInt32.self)
        for row in 0..<groups.rowCount { rows[Int(ids[row])] = row }
        withExtendedLifetime(groups) {}
        return RowIndices(buffer: buffer, count: groups.count)
    }

    /// Each row's group as an int64 column.
    private static func idColumn(_ groups: Groups) -> Column {
        let buffer = Buffer(byteCount: groups.rowCount * 8)
        let ids = groups.ids.elements(as: UInt32.self)
        for row in 0..<groups.rowCount { buffer.elements(as: Int64.self)[row] = Int64(ids[row]) }
        withExtendedLifetime(groups) {}
        return Column(type: .int64, count: groups.rowCount, values: buffer)
    }

    private static func distinctCounts(_ column: Column, _ groups: Groups) -> Column {
        let pairs = Groups(codes: [keyCodes([idColumn(groups), column], nullsAreEqual: true)])
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let counts = buffer.elements(as: Int64.self)
        let ids = groups.ids.elements(as: UInt32.self)
        for row in pairs.firstRows.array { counts[Int(ids[row])] += 1 }
        withExtendedLifetime(groups) {}
        return Column(type: .int64, count: groups.count, values: buffer)
    }

    private static func means(_ column: Column, _ groups: Groups) -> Column {
        let numbers = Evaluation.cast(column, to: .float64)
        let sums = groupAggregate(.sum, [numbers], groups)
        let counts = groupAggregate(.count, [numbers], groups)
        let divisors = Evaluation.cast(counts, to: .float64)
        let means = Evaluation.binary(
            .divide, .column(sums), .column(divisors), count: groups.count)
        return defined(means, counts, from: 1)
    }

    /// Null where a group has fewer values than needed.
    private static func defined(_ column: Column, _ counts: Column, from least: Int64) -> Column {
        let values = counts.pointer(as: Int64.self)
        let isDefined = Bitmap(count: column.count) { values[$0] >= least }
        withExtendedLifetime(counts) {}
        return isDefined.setCount == column.count
            ? column.with(validity: nil) : column.with(validity: isDefined)
    }

    /// In two passes: squares of distances from the mean do not cancel.
    private static func variances(_ column: Column, _ groups: Groups) -> Column {
        let numbers = Evaluation.cast(column, to: .float64)
        let centres = means(numbers, groups)
        let counts = groupAggregate(.count, [numbers], groups)
        let buffer = Buffer(zeroedByteCount: groups.count * 8)
        let sums = buffer.elements(as: Double.self)
        let ids = groups.ids.elements(as: UInt32.self)
        let (values, means) = (numbers.pointer(as: Double.self), centres.pointer(as: Double.self))
        for row in 0..<numbers.count where !numbers.isNull(at: row) {
            let group = Int(ids[row])
            let distance = values[row] - means[group]
            sums[group] += distance * distance
        }
        let totals = counts.pointer(as: Int64.self)
        for group in 0..<groups.count { sums[group] /= Double(max(totals[group] - 1, 1)) }
        withExtendedLifetime((numbers, centres, groups, counts)) {}
        return defined(
            Column(type: .float64, count: groups.count, values: buffer), counts, from: 2)
    }

    /// The value so far (0 to 1) from one to its greater neighbour.
    static func interpolated(_ low: Double, _ high: Double, _ part: Double) -> Double {
        part == 0 || low == high ? low : low + (high - low) * part
    }

    /// Values sorted within their group, then one look-up per group.
    private static func quantiles(
        _ column: Column, _ groups: Groups, _ share: Double
    ) -> Column {
        let numbers = Evaluation.cast(column, to: .float64)
        let order = argsort(
            ["id": idColumn(groups), "value": numbers],
            by: [ColumnOrder(column: 0), ColumnOrder(column: 1)])
        // Nulls come last in each group, so its values are its first ones.
        let counts = groupAggregate(.count, [numbers], groups)
        let lens = groupAggregate(.len, [], groups)
        let buffer = Buffer(byteCount: groups.count * 8)
        let results = buffer.elements(as: Double.self)
        let values = numbers.pointer(as: Double.self)
        var start = 0
        for group in 0..<groups.count {
            let count = Int(counts.pointer(as: Int64.self)[group])
            if count > 0 {
                let place = share * Double(count - 1)
                let below = min(Int(place), count - 1)
                let low = values[order[start + below]]
                let high = values[order[start + min(below + 1, count - 1)]]
                results[group] = interpolated(low, high, place - Double(below))
            }
            start += Int(lens.pointer(as: Int64.self)[group])
        }
        withExtendedLifetime((numbers, counts, lens)) {}
        return defined(
            Column(type: .float64, count: groups.count, values: buffer), counts, from: 1)
    }
}
