// What `mpi-compare tune` shows: the parameters of each channel, and how well they tell the times of
// collectives that they were not fitted to.
import Glibc
import MessagePassing

/// Measured times of one channel beside those that a model predicts.
public struct TunedChannel: Sendable {
    public var costs: ChannelCosts
    public var samples: [CostSample]
    public var combinedBytesPerSecond: Double

    public init(costs: ChannelCosts, samples: [CostSample], combinedBytesPerSecond: Double) {
        self.costs = costs
        self.samples = samples
        self.combinedBytesPerSecond = combinedBytesPerSecond
    }

    func predicted(_ sample: CostSample) -> Double {
        CostModel(
            size: sample.ranks, channels: [costs], combinedBytesPerSecond: combinedBytesPerSecond
        ).estimate(
            sample.operation, byteCount: sample.byteCount, on: costs, choice: .measuredOnOneHost()
        ).seconds
    }

    func algorithm(_ sample: CostSample) -> String {
        guard case .collective(let operation) = sample.operation, !costs.channel.isStorage else {
            return ""
        }
        let algorithm = AlgorithmChoice.measuredOnOneHost().algorithm(
            operation, byteCount: sample.byteCount, elementCount: sample.byteCount,
            size: sample.ranks)
        return "\(algorithm)"
    }

    /// By what factor the predictions are wrong, either way (geometric mean).
    public var typicalError: Double {
        let errors = samples.map { abs(log(predicted($0) / $0.seconds)) }
        return exp(errors.reduce(0, +) / Double(max(errors.count, 1)))
    }

    public func lines() -> [String] {
        let bandwidth = costs.bytesPerSecond / 1e6
        var table = TextTable([
            ("operation", .left), ("ranks", .right), ("bytes", .right), ("algorithm", .left),
            ("predicted µs", .right), ("measured µs", .right), ("ratio", .right),
        ])
        for sample in samples {
            let predicted = predicted(sample)
            table.add([
                "\(sample.operation)", "\(sample.ranks)", byteText(sample.byteCount),
                algorithm(sample), fixed(predicted * 1e6, 1), fixed(sample.seconds * 1e6, 1),
                fixed(predicted / sample.seconds, 2),
            ])
        }
        return [
            "\(costs.channel): latency \(fixed(costs.latencySeconds * 1e6, 2)) µs, "
                + "\(fixed(bandwidth, 0)) MB/s  [\(costs.origin)]"
        ] + table.lines() + [
            "typically wrong by a factor of \(fixed(typicalError, 2)) either way (geometric mean)"
        ]
    }
}
