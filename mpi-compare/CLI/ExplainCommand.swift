// `mpi-compare explain`: what the cost model would choose, and why.
import ArgumentParser
import MessagePassing
import Report
import ServerlessMPI
import Workloads

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract:
            "Which channel the cost model picks for an operation: direct, relayed, redis or s3.",
        discussion: """
            Times and prices are modelled: AWS's defaults unless you give what you have measured. \
            Example:

              mpi-compare explain allreduce --bytes 1MiB --ranks 8 --policy cheapest
              mpi-compare explain send --bytes 64KiB --latency redis=0.0002 --bandwidth redis=1e9
            """)

    @Argument(help: "One of: \(MessageOperation.names.joined(separator: ", ")).")
    var operation: String

    @Option(help: "Bytes of one rank's contribution: 1000, 64KiB, 1MiB, 2GiB.")
    var bytes = "1MiB"

    @Option(help: "Number of ranks.")
    var ranks = 2

    @Option(help: "fastest or cheapest; both if not given.")
    var policy: String?

    @Option(help: "Only these channels, comma-separated.")
    var channels = Channel.allCases.map(\.rawValue).joined(separator: ",")

    @Option(help: "Memory of a rank's function in MB.")
    var memory = 1769.0

    @Option(help: "A file that `tune` wrote: its channels replace the defaults.")
    var model: String?

    @Option(help: "CHANNEL=SECONDS: a latency you have measured. Repeatable.")
    var latency: [String] = []

    @Option(help: "CHANNEL=BYTES_PER_SECOND: a bandwidth you have measured. Repeatable.")
    var bandwidth: [String] = []

    func run() throws {
        guard let asked = MessageOperation(named: operation) else {
            throw UsageError(
                "there is no operation \(operation); choose from: "
                    + MessageOperation.names.joined(separator: ", "))
        }
        guard (1...1_000_000).contains(ranks) else {
            throw UsageError("--ranks \(ranks): give a whole number from 1 to 1000000")
        }
        guard memory > 0, memory <= 1e6 else {
            throw UsageError("--memory \(memory): give megabytes above 0")
        }
        let tuned = try tunedModel()
        var model = CostModel(
            size: ranks, channels: try chosenChannels(tuned), gigabytesPerRank: memory / 1024)
        if let tuned { model.combinedBytesPerSecond = tuned.combinedBytesPerSecond }
        let count = try byteCount(bytes)
        for policy in try policies() {
            for line in model.explain(asked, byteCount: count, policy: policy) { print(line) }
        }
    }

    private func policies() throws -> [CostPolicy] {
        guard let policy else { return CostPolicy.allCases }
        guard let chosen = CostPolicy(rawValue: policy) else {
            throw UsageError("--policy \(policy): use fastest or cheapest")
        }
        return [chosen]
    }

    private func tunedModel() throws -> CostModelFile? {
        guard let model else { return nil }
        guard let text = textOfFile(model), let tuned = CostModelFile(parsing: text) else {
            throw UsageError("--model \(model): this is no file that `mpi-compare tune` wrote")
        }
        return tuned
    }

    private func chosenChannels(_ tuned: CostModelFile?) throws -> [ChannelCosts] {
        let names = try split(channels, "channels")
        let known = (tuned?.channels ?? []) + ChannelCosts.aws
        var chosen = try unique(names).map { name in
            guard let costs = known.first(where: { $0.channel.rawValue == name }) else {
                throw UsageError(
                    "--channels \(name): choose from "
                        + Channel.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return costs
        }
        for text in latency {
            let (index, value) = try setting(text, "latency", of: chosen)
            chosen[index].latencySeconds = value
            chosen[index].origin = "as given"
        }
        for text in bandwidth {
            let (index, value) = try setting(text, "bandwidth", of: chosen)
            chosen[index].bytesPerSecond = value
            chosen[index].sharedBytesPerSecond = .infinity
            chosen[index].origin = "as given"
        }
        return chosen
    }

    private func setting(
        _ text: String, _ name: String, of channels: [ChannelCosts]
    ) throws -> (Int, Double) {
        let parts = text.split(separator: "=")
        guard parts.count == 2, let value = Double(parts[1]), value > 0, value.isFinite,
            let index = channels.firstIndex(where: { $0.channel.rawValue == parts[0] })
        else {
            throw UsageError("--\(name) \(text): give CHANNEL=NUMBER of a channel in --channels")
        }
        return (index, value)
    }

    private func byteCount(_ text: String) throws -> Int {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)]
        let unit = units.first { text.hasSuffix($0.0) }
        let digits = unit.map { text.dropLast($0.0.count) } ?? text[...]
        guard let number = Int(digits), number >= 0, number <= (1 << 40) >> (unit?.1 ?? 0) else {
            throw UsageError("--bytes \(text): give bytes up to 1024GiB, as in 1000, 64KiB or 1MiB")
        }
        return number << (unit?.1 ?? 0)
    }
}
