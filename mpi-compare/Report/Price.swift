// What a run would cost in the cloud: modelled from list prices, never measured, and said so.
import MessagePassing

/// Dollars of one run, set-up included, with the model they come from.
///
/// - serverless, lambda: one AWS Lambda function of 1 769 MB (one virtual processor) per rank, at
///   $0.0000166667 per GB-second plus $0.20 per million invocations.
/// - redis, s3: the same; and a Redis server (ElastiCache cache.m6g.large, $0.149 an hour) for the
///   time of the run, or S3's requests, counted, at the default prices of the cost model.
/// - threads and Open MPI: the ranks' share of an m5.xlarge EC2 instance ($0.192 an hour, 4 virtual
///   processors), billed by the second; its minimum of 60 s is left out, as a cluster that is
///   already up serves many runs.
public struct Price: Sendable, Equatable {
    public var dollars: Double
    public var model: String

    /// - Parameter seconds: wall time during which every rank is paid for.
    public init(
        environment: String, ranks: Int, seconds: Double, storeWrites: Int = 0, storeReads: Int = 0
    ) {
        let store = ChannelCosts.aws.first {
            $0.channel.isStorage && "\($0.channel)" == environment
        }
        let isFunctions =
            environment.hasPrefix("serverless") || environment.hasPrefix("lambda")
        if isFunctions || store != nil {
            let gigabytes = 1.769
            let perGigabyteSecond = 0.000_016_666_7
            let perInvocation = 0.000_000_2
            dollars = Double(ranks) * (seconds * gigabytes * perGigabyteSecond + perInvocation)
            model = "modelled: AWS Lambda, 1769 MB per rank"
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
