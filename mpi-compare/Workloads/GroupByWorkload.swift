// A group-by in the manner of the h2oai db-benchmark: many groups, an integer and a float column.
import Frames
import MessagePassing
import Records

/// Sum of `v1` (0 to 4) and mean of `v3` (fractions) by `id`, of which there is one per 100 rows.
struct GroupByWorkload: Workload {
    static let name = "groupby"
    static let summary = "sum and mean by an integer id, 100 rows per group"

    let options: WorkloadOptions

    init(_ options: WorkloadOptions) { self.options = options }

    func prepare(on world: any Communicator) throws -> Frame {
        let generated = GeneratedFrame(options, frame: 0, on: world)
        let groups = options.totalRows(ranks: world.size) / 100
        let table = try Table([
            ("id", generated.integers(0, below: groups)),
            ("v1", generated.integers(1, below: 5)),
            ("v3", generated.fractions(2)),
        ])
        return Frame(table, on: world)
    }

    func run(_ input: Frame, on world: any Communicator) throws -> Frame {
        try input.groupBy("id").agg(col("v1").sum(), col("v3").mean())
    }

    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        let sum = try sumOfFloats(output, "v3_mean", on: world)
        return try WorkloadResult(output, tables: [singleCell("float sum", .number(sum))])
    }
}

/// The sum of a float64 column over all ranks, on every rank. Collective.
func sumOfFloats(_ frame: Frame, _ name: String, on world: any Communicator) throws -> Double {
    let column = try frame.table.column(name)
    let own = column.withUnsafeValues(as: Double.self) { $0.reduce(0, +) }
    return try world.allreduce(own, .sum)
}
