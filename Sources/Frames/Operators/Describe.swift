// describe: statistics of every numeric column, a row each.

import MessagePassing

extension StepRun {
    func describe(_ input: Rows) throws(FrameError) -> Rows {
        let names = node.schema.names.dropFirst()
        let numbers = names.map { col($0).cast(.float64) }
        var first: [Aggregate] = [len()]
        for number in numbers {
            first += [number.count(), number.mean(), number.min(), number.max()]
        }
        let summary = try values(input, first)
        let rowCount = summary[0].int64(at: 0) ?? 0

        // Squares of distances from the mean, which is known now: the sum of squares less the
        // square of the sum would cancel.
        let squares = numbers.enumerated().map { index, number in
            let mean = summary[2 + index * 4].float64(at: 0) ?? 0
            return ((number - lit(mean)) * (number - lit(mean))).sum()
        }
        let sums = try values(input, squares)

        var columns = [Column(["count", "nulls", "mean", "std", "min", "max"])]
        for index in numbers.indices {
            let statistics = summary[(1 + index * 4)..<(5 + index * 4)]
            let count = statistics[1 + index * 4].int64(at: 0) ?? 0
            let deviation =
                count > 1
                ? sums[index].float64(at: 0).map { ($0 / Double(count - 1)).squareRoot() } : nil
            columns.append(
                Column([
                    Double(count), Double(rowCount - count),
                    statistics[2 + index * 4].float64(at: 0), deviation,
                    statistics[3 + index * 4].float64(at: 0),
                    statistics[4 + index * 4].float64(at: 0),
                ]))
        }
        return Rows(
            table: Table(schema: node.schema, columns: columns, rowCount: 6),
            partitioning: .replicated)
    }
}
