// Latency and bandwidth out of measured messages (Hockney 1994): t = α steps + bytes / β, fitted so
// that the relative errors are least, as a message of one byte counts as much as one of a megabyte.
import Glibc
import MessagePassing

/// A measured operation on one channel.
public struct CostSample: Sendable {
    public var operation: MessageOperation
    public var ranks: Int
    public var byteCount: Int
    public var seconds: Double

    public init(operation: MessageOperation, ranks: Int, byteCount: Int, seconds: Double) {
        self.operation = operation
        self.ranks = ranks
        self.byteCount = byteCount
        self.seconds = seconds
    }
}

/// The ladder's operation as the cost model names it; nil for those that are no single operation.
public func modelledOperation(_ ladderName: String) -> MessageOperation? {
    ladderName == "pingpong" ? .send : MessageOperation(named: ladderName)
}

extension ChannelCosts {
    /// This channel with the latency and the bandwidth that single messages have shown; nil if two
    /// lengths at least are not there.
    ///
    /// - Parameter samples: of `send`; times that are not above zero are left out.
    public func fitted(to samples: [CostSample], origin: String) -> ChannelCosts? {
        // The normal equations of least squares, each row divided by its time.
        var (ss, sb, bb, sy, by) = (0.0, 0.0, 0.0, 0.0, 0.0)
        var lengths: Set<Int> = []
        for sample in samples where sample.operation == .send && sample.seconds > 0 {
            let work = Work(
                .send, byteCount: sample.byteCount, size: 2, storage: channel.isStorage)
            let steps = work.steps / sample.seconds
            let bytes = work.byteCount / sample.seconds
            // What a poll takes is a constant of the channel.
            let rest = 1 - work.polls * pollingSeconds / sample.seconds
            ss += steps * steps
            sb += steps * bytes
            bb += bytes * bytes
            sy += steps * rest
            by += bytes * rest
            lengths.insert(sample.byteCount)
        }
        let determinant = ss * bb - sb * sb
        guard lengths.count >= 2, determinant > 0 else { return nil }
        var latency = (sy * bb - by * sb) / determinant
        var secondsPerByte = (by * ss - sy * sb) / determinant
        // A negative one is noise: then the other alone has to explain the times.
        if latency < 0 { (latency, secondsPerByte) = (0, by / bb) }
        if secondsPerByte <= 0 { (latency, secondsPerByte) = (max(sy / ss, 0), 1e-15) }
        var costs = self
        costs.latencySeconds = latency
        costs.bytesPerSecond = 1 / secondsPerByte
        costs.sharedBytesPerSecond = .infinity
        costs.origin = origin
        return costs
    }
}

/// Bytes per second at which this processor adds vectors of doubles that are in its cache, as
/// reductions of this library do; the fastest of several turns.
public func measureCombining() -> Double {
    let count = 8192
    let one = [Double](repeating: 1, count: count)
    var sum = [Double](repeating: 0, count: count)
    var best = Double.infinity
    let repetitions = 200
    for _ in 0..<20 {
        let start = ContinuousClock.now
        for _ in 0..<repetitions {
            for index in 0..<count { sum[index] += one[index] }
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        best = min(best, seconds / Double(repetitions))
    }
    // The sum is used, so that it is formed.
    return sum[count - 1] > 0 ? Double(count * 8) / best : .nan
}
