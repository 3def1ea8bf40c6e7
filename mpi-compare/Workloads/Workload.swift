// What a workload is: three steps, of which the middle one is timed. A new workload is one type
// that conforms, and one line in `Workloads.all`.
import MessagePassing
import Records

/// A dataframe program that every environment runs from the same source.
///
/// All three steps are collective, and use any communicator they are given.
public protocol Workload: Sendable {
    associatedtype Input
    associatedtype Output

    /// The name on the command line: `--workload join`.
    static var name: String { get }
    /// One line for `--help`.
    static var summary: String { get }
    /// Rows of the input if it is real data, the same whatever `--rows` and `--mode` say; nil
    /// (the default) if the input is generated.
    static var fixedInputRows: Int? { get }

    /// - Throws: an error whose description says in one line what is wrong with the options.
    init(_ options: WorkloadOptions) throws

    /// Generates or locates this rank's input. Not timed.
    func prepare(on world: any Communicator) throws -> Input
    /// The work, from input to output. Timed, repeatedly, on the same input.
    func run(_ input: Input, on world: any Communicator) throws -> Output
    /// Rows, checksum and tables of an output, the same on all ranks. Not timed.
    func summarize(_ output: Output, on world: any Communicator) throws -> WorkloadResult
}

extension Workload {
    public static var fixedInputRows: Int? { nil }
}

/// What `mpi-compare run` passes on to each workload.
public struct WorkloadOptions: Sendable, Equatable {
    /// Does the size of the problem grow with the ranks?
    public enum Mode: String, Sendable, CaseIterable {
        /// `rows` in all, whatever the number of ranks.
        case strong
        /// `rows` per rank.
        case weak
    }

    public var mode = Mode.strong
    /// Rows of each input frame: in all (strong) or per rank (weak).
    public var rows = 4_500_000
    public var seed: UInt64 = 1
    /// The folder of fetched data sets.
    public var dataFolder = "data"

    public init() {}

    /// Rows of one input frame over all of `ranks` ranks.
    public func totalRows(ranks: Int) -> Int { mode == .strong ? rows : rows * ranks }
}

/// What all environments must agree on.
public struct WorkloadResult: Sendable, Equatable {
    /// Rows over all ranks.
    public var rows: Int
    /// Sum of per-row hashes over all ranks and all exact columns.
    public var checksum: UInt64
    /// Small answers to show and to compare value by value.
    public var tables: [ResultTable]

    public init(rows: Int, checksum: UInt64, tables: [ResultTable] = []) {
        self.rows = rows
        self.checksum = checksum
        self.tables = tables
    }
}

/// The options do not make sense; `description` says in one line what to do.
public struct UsageError: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(_ description: String) { self.description = description }
}
