// A sort of wide integer keys that carry a float.
import Frames
import MessagePassing
import Records

/// Sorts by an int64 `key`, uniform in [0, 2^62), carrying a float64 `value`.
struct SortWorkload: Workload {
    static let name = "sort"
    static let summary = "sort by a 62-bit integer key, carrying a float"

    let options: WorkloadOptions

    init(_ options: WorkloadOptions) { self.options = options }

    func prepare(on world: any Communicator) throws -> Frame {
        let generated = GeneratedFrame(options, frame: 0, on: world)
        let table = try Table([
            ("key", generated.integers(0, below: 1 << 62)),
            ("value", generated.fractions(1)),
        ])
        return Frame(table, on: world)
    }

    func run(_ input: Frame, on world: any Communicator) throws -> Frame {
        try input.sort(by: "key")
    }

    /// The checksum does not see the order, so violations of it are counted beside it.
    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        let sum = try sumOfFloats(output, "value", on: world)
        let violations = try orderViolations(output, on: world)
        return try WorkloadResult(
            output,
            tables: [
                singleCell("order violations", .integer(violations)),
                singleCell("float sum", .number(sum)),
            ])
    }

    /// Pairs of neighbours in the wrong order, also across ranks. Collective.
    private func orderViolations(_ frame: Frame, on world: any Communicator) throws -> Int {
        let column = try frame.table.column("key")
        let (own, ends) = column.withUnsafeValues(as: Int64.self) { keys in
            var violations = 0
            for index in keys.indices.dropFirst() where keys[index - 1] > keys[index] {
                violations += 1
            }
            return (violations, keys.isEmpty ? [] : [keys[0], keys[keys.count - 1]])
        }
        let all = try world.allgatherv(ends.span).elements
        var violations = try world.allreduce(own, .sum)
        // The last key of a rank, then the first of the next one that has any.
        for index in stride(from: 2, to: all.count, by: 2) where all[index - 1] > all[index] {
            violations += 1
        }
        return violations
    }
}
