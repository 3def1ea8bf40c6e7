// What a run would cost in the cloud: modelled from list prices, never measured, and said so.

/// Dollars of one run, set-up included, with the model they come from.
///
/// - serverless, lambda: one AWS Lambda function of 1 769 MB (one virtual processor) per rank, at
///   $0.0000166667 per GB-second plus $0.20 per million invocations.
/// - threads and Open MPI: the ranks' share of an m5.xlarge EC2 instance ($0.192 an hour, 4 virtual
///   processors), billed by the second; its minimum of 60 s is left out, as a cluster that is
///   already up serves many runs.
public struct Price: Sendable, Equatable {
    public var dollars: Double
    public var model: String

    /// - Parameter seconds: wall time during which every rank is paid for.
    public init(environment: String, ranks: Int, seconds: Double) {
        if environment.hasPrefix("serverless") || environment.hasPrefix("lambda") {
            let gigabytes = 1.769
            let perGigabyteSecond = 0.000_016_666_7
            let perInvocation = 0.000_000_2
            dollars = Double(ranks) * (seconds * gigabytes * perGigabyteSecond + perInvocation)
            model = "modelled: AWS Lambda, 1769 MB per rank"
        } else {
            let perProcessorHour = 0.192 / 4
            dollars = Double(ranks) * seconds * perProcessorHour / 3600
            model = "modelled: EC2 m5.xlarge, one of 4 vCPUs per rank"
        }
    }
}
