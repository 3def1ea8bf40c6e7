// What a job of functions took, its parts apart: for the records of `mpi-compare run`.
import CompactJSON

/// One rank, as its function told. Times in seconds.
public struct LambdaRank: Sendable, Equatable {
    public var rank: Int
    /// Until every rank was there.
    public var join: Double
    /// From there until this rank was connected.
    public var connect: Double
    /// The program.
    public var body: Double
    /// How it is connected to each rank; nil to itself.
    public var paths: [String?]
    /// What the program returned.
    public var value: JSONValue

    init?(json: JSONValue) {
        guard let rank = json["rank"]?.integer, let join = json["join"]?.number,
            let connect = json["connect"]?.number, let body = json["body"]?.number,
            let paths = json["paths"]?.array
        else { return nil }
        self.rank = rank
        self.join = join
        self.connect = connect
        self.body = body
        self.paths = paths.map(\.string)
        value = json["value"] ?? .null
    }
}

/// A whole job. Times in seconds.
public struct LambdaRun: Sendable {
    public var functions: Int
    /// The epoch that succeeded, or failed last.
    public var epoch: UInt64
    /// From the first request to the last answer, of all epochs.
    public var endToEnd: Double
    /// The slowest function's time outside of it: the service, the network, cold places.
    public var invoke: Double
    /// The slowest cold start of a process; nil if all sandboxes were warm.
    public var initialization: Double?
    public var ranks: [LambdaRank]
    /// What is billed, of all epochs, as far as the service told.
    public var reports: [InvocationReport]
    /// Invocations that ran without telling what is billed, as their answer was lost or not waited
    /// for, of all epochs: the memory of each, and how long it was waited for. AWS bills them all the
    /// same, until they end, which nobody here sees.
    public var unreported: [(memoryMegabytes: Int, seconds: Double)] = []
    /// Refusals: too many requests.
    public var throttles: Int

    public var coldStarts: Int { reports.count { $0.initDuration != nil } }
    /// The slowest rank's.
    public var join: Double { ranks.map { $0.join + $0.connect }.max() ?? 0 }
    public var workload: Double { ranks.map(\.body).max() ?? 0 }
    /// As reported, and at least what the unreported cost.
    public var dollars: Double {
        LambdaPrice.dollars(reports)
            + unreported.reduce(0) {
                $0 + LambdaPrice.dollars(seconds: $1.seconds, memoryMegabytes: $1.memoryMegabytes)
            }
    }
}
