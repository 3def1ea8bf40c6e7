// The experiment of arXiv 2511.12185: a distributed inner join of two frames of random integers.
import Frames
import MessagePassing

/// Two frames, each of two int64 columns, uniform in [0, 0.9·max) where max is the number of rows;
/// joined on the first column. Expected output: rows / 0.9.
///
/// Strong scaling divides the rows among the ranks (published: 4.5 million in all); weak scaling
/// gives every rank as many (9.1 million), and max grows with the ranks. Their data differed with
/// the number of ranks; ours, with the same distribution, does not.
struct JoinWorkload: Workload {
    static let name = "join"
    static let summary = "inner join of two frames of (key, value), dense keys"

    let options: WorkloadOptions

    init(_ options: WorkloadOptions) { self.options = options }

    func prepare(on world: any Communicator) throws -> JoinInput {
        try JoinInput(options, on: world)
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: "col0")
    }

    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        try WorkloadResult(output)
    }
}

/// The same matches with keys spread over 64 bits, so that no array can be indexed by them.
struct SparseJoinWorkload: Workload {
    static let name = "join-sparse"
    static let summary = "the same join, keys spread over 64 bits"

    let options: WorkloadOptions

    init(_ options: WorkloadOptions) { self.options = options }

    func prepare(on world: any Communicator) throws -> JoinInput {
        // Odd, hence a bijection of 64-bit words.
        let factor = lit(Int(bitPattern: 0x9E37_79B9_7F4A_7C15))
        var input = try JoinInput(options, on: world)
        input.left = try input.left.withColumns((col("col0") * factor).as("col0"))
        input.right = try input.right.withColumns((col("col0") * factor).as("col0"))
        return input
    }

    func run(_ input: JoinInput, on world: any Communicator) throws -> Frame {
        try input.left.join(input.right, on: "col0")
    }

    func summarize(_ output: Frame, on world: any Communicator) throws -> WorkloadResult {
        try WorkloadResult(output)
    }
}

/// Both sides of a join.
struct JoinInput: Sendable {
    var left: Frame
    var right: Frame

    init(left: Frame, right: Frame) {
        self.left = left
        self.right = right
    }

    init(_ options: WorkloadOptions, on world: any Communicator) throws {
        let bound = options.totalRows(ranks: world.size) * 9 / 10
        func side(_ number: UInt64) throws -> Frame {
            let generated = GeneratedFrame(options, frame: number, on: world)
            let table = try Table([
                ("col0", generated.integers(0, below: bound)),
                ("col1", generated.integers(1, below: bound)),
            ])
            return Frame(table, on: world)
        }
        left = try side(0)
        right = try side(1)
    }
}
