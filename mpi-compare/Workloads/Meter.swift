// Counts what a rank's communicator calls cost, from the outside: the same way on every transport,
// so that the figures compare.
import Synchronization

/// Seconds spent inside communicator calls and bytes sent to other ranks, by one rank.
final class Meter: Sendable {
    private let nanoseconds = Atomic<Int>(0)
    private let bytes = Atomic<Int>(0)

    /// Runs `body` and adds its duration.
    func time<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = ContinuousClock.now
        defer {
            let elapsed = (ContinuousClock.now - start).components
            let fraction = Int(elapsed.attoseconds / 1_000_000_000)
            nanoseconds.wrappingAdd(
                Int(elapsed.seconds) * 1_000_000_000 + fraction, ordering: .relaxed)
        }
        return try body()
    }

    /// Adds payload that leaves for another rank.
    func count(bytes count: Int) {
        bytes.wrappingAdd(count, ordering: .relaxed)
    }

    /// What was counted since the last call.
    func take() -> (seconds: Double, bytes: Int) {
        let spent = nanoseconds.exchange(0, ordering: .relaxed)
        return (Double(spent) / 1e9, bytes.exchange(0, ordering: .relaxed))
    }
}

extension Duration {
    /// As a floating-point number of seconds.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
