// What a run would cost in the cloud: modelled from list prices, never measured, and said so.
import MessagePassing

/// Dollars of one run, set-up included, with the model they come from.
///
/// - serverless: one AWS Lambda function of 1 769 MB (one virtual processor) per rank, at
///   $0.0000166667 per GB-second plus $0.20 per million invocations.
/// - lambda-local, lambda: the functions there were, each of the memory it had.
/// - redis, s3: the same; and a Redis server (ElastiCache cache.m6g.large, $0.149 an hour) for the
///   time of the run, or S3's requests, counted, at the default prices of the cost model.
/// - threads and Open MPI: the ranks' share of an m5.xlarge EC2 instance ($0.192 an hour, 4 virtual
///   processors), billed by the second; its minimum of 60 s is left out, as a cluster that is
///   already up serves many runs.
public struct Price: Sendable, Equatable {
    public var dollars: Double
    public var model: String

    /// AWS's MB and GB are powers of two.
    private static let megabytesPerRank = 1769

    /// - Parameters:
    ///   - seconds: wall time during which every rank is paid for.
    ///   - functions: how many there were, and of which memory; nil for one per rank.
    public init(
        environment: String, ranks: Int, seconds: Double, storeWrites: Int = 0, storeReads: Int = 0,
        functions: (count: Int, memoryMegabytes: Int)? = nil
    ) {
        let store = ChannelCosts.aws.first {
            $0.channel.isStorage && "\($0.channel)" == environment
        }
        let isFunctions =
            environment.hasPrefix("serverless") || environment.hasPrefix("lambda")
        if isFunctions || store != nil {
            let (count, megabytes) = functions ?? (ranks, Self.megabytesPerRank)
            let perGigabyteSecond = 0.000_016_666_7
            let perInvocation = 0.000_000_2
            dollars =
                Double(count)
                * (seconds * Double(megabytes) / 1024 * perGigabyteSecond + perInvocation)
            model =
                functions == nil
                ? "modelled: AWS Lambda, \(megabytes) MB per rank"
                : "modelled: AWS Lambda, \(count) function\(count == 1 ? "" : "s") of "
                    + "\(megabytes) MB"
            if let store {
                dollars +=
                    Double(storeWrites) * store.dollarsPerWrite
                    + Double(storeReads) * store.dollarsPerRead
                    + seconds * store.serverDollarsPerHour / 3600
                model +=
                    store.channel == .redis ? ", and a Redis server" : ", and S3's requests counted"
            }
        } else {
            let perProcessorHour = 0.192 / 4
            dollars = Double(ranks) * seconds * perProcessorHour / 3600
            model = "modelled: EC2 m5.xlarge, one of 4 vCPUs per rank"
        }
    }
}
