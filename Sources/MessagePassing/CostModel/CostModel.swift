// Which channel an operation should take: for every channel there is, seconds and dollars are
// worked out, and the policy says which of the two counts. Pure, and the same on every rank, so that
// all take the same decision without a message. FMI's idea (arXiv 2305.08763), its units put right.

/// What a choice of channel shall save.
public enum CostPolicy: String, Sendable, CaseIterable {
    /// Least time; at equal time least price.
    case fastest
    /// Least price; at equal price least time.
    case cheapest
}

/// What an operation costs on one channel. A model's figure, never a measurement.
public struct CostEstimate: Sendable, Equatable {
    public var channel: Channel
    public var seconds: Double
    /// Of all ranks together.
    public var dollars: Double
    /// `seconds` in parts: latencies, transfer, waiting for a poll, combining.
    public var latencySeconds: Double
    public var transferSeconds: Double
    public var pollingSeconds: Double
    public var combiningSeconds: Double
    /// `dollars` in parts: the ranks' time, requests, a server's time.
    public var computeDollars: Double
    public var requestDollars: Double
    public var serverDollars: Double
    /// What a store would bill, of all ranks together.
    public var writes: Double
    public var reads: Double
}

/// The costs of operations among `size` ranks over the channels there are.
public struct CostModel: Sendable, Equatable {
    public var size: Int
    public var channels: [ChannelCosts]
    /// What one rank costs while it works or waits.
    public var dollarsPerRankSecond: Double
    /// How fast one rank combines vectors (the 1/γ of a reduction).
    public var combinedBytesPerSecond: Double

    /// AWS Lambda on x86 in us-east-1, per GB-second: a default.
    public static let lambdaDollarsPerGigabyteSecond = 1.66667e-5
    /// What one rank combines in a second: a default.
    public static let combinedBytesPerSecond = 4e9
    /// One virtual processor's worth of a function: 1 769 MB, which for AWS are powers of two.
    public static let lambdaGigabytesPerRank = 1769.0 / 1024

    public init(
        size: Int, channels: [ChannelCosts] = ChannelCosts.aws,
        gigabytesPerRank: Double = lambdaGigabytesPerRank,
        dollarsPerGigabyteSecond: Double = lambdaDollarsPerGigabyteSecond,
        combinedBytesPerSecond: Double = combinedBytesPerSecond
    ) {
        precondition(size >= 1 && combinedBytesPerSecond > 0)
        self.size = size
        self.channels = channels
        dollarsPerRankSecond = gigabytesPerRank * dollarsPerGigabyteSecond
        self.combinedBytesPerSecond = combinedBytesPerSecond
    }

    /// The cost on one channel.
    /// - Parameters:
    ///   - byteCount: one rank's contribution: the message of a send, the vector of a bcast or
    ///     reduction, the part that goes from one rank to one other of all else.
    ///   - choice: how the algorithm is chosen; nil for by these costs.
    public func estimate(
        _ operation: MessageOperation, byteCount: Int, on costs: ChannelCosts,
        choice: AlgorithmChoice? = nil
    ) -> CostEstimate {
        let work = Work(
            operation, byteCount: byteCount, size: size, storage: costs.channel.isStorage,
            choice: choice ?? .modelled(costs))
        let latency =
            work.steps * costs.latencySeconds + work.messages * costs.overheadSeconds
        let transfer = costs.transferSeconds(work.byteCount, ranks: work.busyRanks)
        let polling = work.polls * costs.pollingSeconds
        let combining = work.combinedByteCount / combinedBytesPerSecond
        let seconds = latency + transfer + polling + combining
        let involved = operation == .send ? min(2, size) : size
        let compute = seconds * Double(involved) * dollarsPerRankSecond
        let requests =
            work.writes * costs.dollarsPerWrite + work.reads * costs.dollarsPerRead
        let server = seconds * costs.serverDollarsPerHour / 3600
        return CostEstimate(
            channel: costs.channel, seconds: seconds, dollars: compute + requests + server,
            latencySeconds: latency, transferSeconds: transfer, pollingSeconds: polling,
            combiningSeconds: combining, computeDollars: compute, requestDollars: requests,
            serverDollars: server, writes: work.writes, reads: work.reads)
    }

    /// All channels, the best first. Equal ones stay in the order of `channels`.
    public func ranking(
        _ operation: MessageOperation, byteCount: Int, policy: CostPolicy
    ) -> [CostEstimate] {
        func isBetter(_ a: CostEstimate, _ b: CostEstimate) -> Bool {
            switch policy {
            case .fastest: (a.seconds, a.dollars) < (b.seconds, b.dollars)
            case .cheapest: (a.dollars, a.seconds) < (b.dollars, b.seconds)
            }
        }
        var ranked: [CostEstimate] = []
        for estimate in channels.map({ estimate(operation, byteCount: byteCount, on: $0) }) {
            let position = ranked.firstIndex { isBetter(estimate, $0) } ?? ranked.endIndex
            ranked.insert(estimate, at: position)
        }
        return ranked
    }

    /// The channel to take; nil if there is none.
    public func choose(
        _ operation: MessageOperation, byteCount: Int, policy: CostPolicy
    ) -> Channel? {
        ranking(operation, byteCount: byteCount, policy: policy).first?.channel
    }
}
