// `mpi-compare tune`: the cost model's parameters, measured here, and how well they predict.
import ArgumentParser
import Ladder
import Launchers
import MessagePassing
import Processes
import Report
import ServerlessMPI
import Workloads

struct TuneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tune",
        abstract: "Measure latency, bandwidth and combining speed, and write a cost model.",
        discussion: """
            Single messages between two ranks give each channel's latency and bandwidth; the table \
            shows what these say about collectives beside what those take. `explain --model FILE` \
            uses the result. Example:

              mpi-compare tune --environments serverless,redis --ranks 2,4 --output model.json
            """)

    @Option(help: "Comma-separated, one per channel, from: \(Environment.names).")
    var environments = "serverless"

    @Option(help: "Numbers of ranks of the collectives, comma-separated.")
    var ranks = "2"

    @Option(help: "Write the model to this file.")
    var output: String?

    @OptionGroup var ladder: LadderOptions

    private static let messageLengths = [1, 256, 4096, 65_536, 1 << 20, 4 << 20]
    private static let collectiveLengths = [8, 4096, 65_536, 1 << 20]
    private static let collectives: [LadderOperation] = [
        .barrier, .bcast, .reduce, .allreduce, .allgather, .alltoallv,
    ]

    func run() throws {
        try ladder.check()
        let worlds = try unique(split(environments, "environments")).map(LadderClimb.world)
        for (index, world) in worlds.enumerated() {
            if let other = worlds[..<index].first(where: { $0.channel == world.channel }) {
                throw UsageError(
                    "--environments: \(other.rawValue) and \(world.rawValue) are both channel "
                        + "\(world.channel); give one")
            }
        }
        let counts = try unique([2] + rankCounts(ranks).filter { $0 > 1 })
        let file = try output.map { try JSONLinesFile($0) }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var skipped: [String] = []
        let records = try LadderClimb.climbAll(
            worlds, [], rungs: counts.map { ($0, rungs(ranks: $0)) }, ladder, in: folder, &skipped)
        let combined = measureCombining()
        let tuned = worlds.compactMap { tune($0, records, combined) }
        for line in unique(skipped) { print(line) }
        guard !tuned.isEmpty else { throw LaunchError("no environment is available") }
        for channel in tuned {
            for line in channel.lines() { print(line) }
            print()
        }
        print("combining: \(fixed(combined / 1e9, 1)) GB/s of doubles in cache")
        let model = CostModelFile(channels: tuned.map(\.costs), combinedBytesPerSecond: combined)
        try file?.write([model.json])
    }

    private func rungs(ranks: Int) -> [LadderTurn] {
        let messages = ranks == 2 ? Self.messageLengths.map { (LadderOperation.pingpong, $0) } : []
        let collectives = Self.collectives.flatMap { operation in
            (operation.hasLength ? Self.collectiveLengths : [0]).map { (operation, $0) }
        }
        return (messages + collectives).map {
            LadderTurn(operation: $0, byteCount: $1, microseconds: ladder.milliseconds * 1000)
        }
    }

    private func tune(
        _ world: Environment, _ records: [LadderRecord], _ combined: Double
    ) -> TunedChannel? {
        let samples = records.filter { $0.environment == world.rawValue }.compactMap { record in
            modelledOperation(record.operation).map {
                CostSample(
                    operation: $0, ranks: record.ranks, byteCount: record.byteCount,
                    seconds: record.median * 1e-6)
            }
        }
        let defaults = ChannelCosts.aws.first { $0.channel == world.channel }
        let origin = "measured: \(world.rawValue), 2 ranks"
        return defaults?.fitted(to: samples, origin: origin).map {
            TunedChannel(costs: $0, samples: samples, combinedBytesPerSecond: combined)
        }
    }
}

extension Environment {
    /// What the cost model calls the way its ranks talk.
    fileprivate var channel: Channel {
        switch self {
        case .redis: .redis
        case .s3: .s3
        default: .direct
        }
    }
}
