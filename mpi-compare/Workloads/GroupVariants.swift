// The questions of the h2oai db-benchmark on its G1 data (K = 100), and groups with nulls.
import Frames
import MessagePassing
import Records

/// A workload that asks one question of one frame.
protocol FrameWorkload: Workload where Input == Frame, Output == Frame {
    init(options: WorkloadOptions)
    var options: WorkloadOptions { get }
    func columns(_ generated: GeneratedFrame, totalRows: Int) throws -> [(String, Column)]
    func run(_ input: Frame) throws -> Frame
}

extension FrameWorkload {
    init(_ options: WorkloadOptions) { self.init(options: options) }

    func prepare(on world: any Communicator) throws -> Frame {
        let generated = GeneratedFrame(options, frame: 0, on: world)
        let columns = try columns(generated, totalRows: options.totalRows(ranks: world.size))
        return Frame(try Table(columns), on: world)
    }

    func run(_ input: Frame, on world: any Communicator) throws -> Frame { try run(input) }

    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        try WorkloadResult(output, tables: floatSums(of: output))
    }
}

/// The sum of each float64 column, a table each. Collective.
func floatSums(of frame: Frame) throws -> [ResultTable] {
    var tables: [ResultTable] = []
    for field in frame.schema.fields where field.type == .float64 {
        let sum = try frame.sum(field.name).float64 ?? 0
        tables.append(singleCell("sum of \(field.name)", .number(sum)))
    }
    return tables
}

/// A column of G1: its number there decides its random numbers.
enum G1Column: UInt64 {
    case id1, id2, id3, id4, id5, id6, v1, v2, v3

    /// Different values of id1, id2, id4 and id5.
    static let groups = 100

    func generated(_ frame: GeneratedFrame, totalRows: Int) -> Column {
        let few = Self.groups
        let many = max(1, totalRows / few)
        return switch self {
        case .id1, .id2: frame.text(rawValue, prefix: "id", digits: 3, below: few)
        case .id3: frame.text(rawValue, prefix: "id", digits: 10, below: many)
        case .id4, .id5: frame.integers(rawValue, below: few)
        case .id6: frame.integers(rawValue, below: many)
        case .v1: frame.integers(rawValue, below: 5)
        case .v2: frame.integers(rawValue, below: 15)
        case .v3: frame.fractions(rawValue)
        }
    }

    static func columns(
        _ wanted: [G1Column], _ frame: GeneratedFrame, totalRows: Int
    ) -> [(String, Column)] {
        wanted.map { ("\($0)", $0.generated(frame, totalRows: totalRows)) }
    }
}

/// Sum of an integer by 100 strings.
struct G1Question1: FrameWorkload {
    static let name = "q1"
    static let summary = "G1: sum of v1 by id1, 100 strings"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id1, .v1], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame { try input.groupBy("id1").agg(col("v1").sum()) }
}

/// Sum of an integer by 10 000 pairs of strings.
struct G1Question2: FrameWorkload {
    static let name = "q2"
    static let summary = "G1: sum of v1 by id1 and id2, 10 000 pairs of strings"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id1, .id2, .v1], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy(["id1", "id2"]).agg(col("v1").sum())
    }
}

/// Sum and mean by many strings.
struct G1Question3: FrameWorkload {
    static let name = "q3"
    static let summary = "G1: sum of v1, mean of v3 by id3, a string per 100 rows"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id3, .v1, .v3], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy("id3").agg(col("v1").sum(), col("v3").mean())
    }
}

/// Three means by 100 integers.
struct G1Question4: FrameWorkload {
    static let name = "q4"
    static let summary = "G1: means of v1, v2, v3 by id4, 100 integers"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id4, .v1, .v2, .v3], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy("id4").agg(col("v1").mean(), col("v2").mean(), col("v3").mean())
    }
}

/// Three sums by many integers.
struct G1Question5: FrameWorkload {
    static let name = "q5"
    static let summary = "G1: sums of v1, v2, v3 by id6, an integer per 100 rows"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns([.id6, .v1, .v2, .v3], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy("id6").agg(col("v1").sum(), col("v2").sum(), col("v3").sum())
    }
}

/// Nearly every row is a group.
struct G1Question10: FrameWorkload {
    static let name = "q10"
    static let summary = "G1: sum of v3, count by id1 to id6: as many groups as rows"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        G1Column.columns(
            [.id1, .id2, .id3, .id4, .id5, .id6, .v3], generated, totalRows: totalRows)
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy(["id1", "id2", "id3", "id4", "id5", "id6"])
            .agg(col("v3").sum(), len().as("count"))
    }
}

/// Nulls among keys and among values.
struct NullGroupsWorkload: FrameWorkload {
    static let name = "groupby-nulls"
    static let summary = "sum and count by an integer, 10 % of keys and of values null"
    let options: WorkloadOptions

    func columns(_ generated: GeneratedFrame, totalRows: Int) -> [(String, Column)] {
        let keys = generated.integers(0, below: max(1, totalRows / 100))
        return [
            ("id", generated.withNulls(2, keys)),
            ("v", generated.withNulls(3, generated.fractions(1))),
        ]
    }

    func run(_ input: Frame) throws -> Frame {
        try input.groupBy("id").agg(col("v").sum(), col("v").count())
    }
}
