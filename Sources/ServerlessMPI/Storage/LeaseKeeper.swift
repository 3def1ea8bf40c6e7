// Says that a rank is alive while its program computes, and notices who is not any more: a store
// closes no connection when a rank dies. A thread of its own, so that a program in a loop for minutes
// is as alive as one that waits.

import Glibc
import MessagePassing

/// How ranks show each other through a store that they live.
struct Lease: Sendable, Equatable {
    /// A rank that has not been heard of for so long is lost.
    var time: Duration
    /// How often each shows itself: several signs may be lost or late.
    var interval: Duration { time / 4 }

    static let redisDefault = Lease(time: .seconds(10))
    /// A sign is a PUT that S3 bills, and so is a look for those of others.
    static let s3Default = Lease(time: .seconds(20))
}

/// Renews a rank's lease until it is stopped.
final class LeaseKeeper: @unchecked Sendable {
    private let monitor = Monitor()
    private var isStopping = false
    private var thread: DedicatedThread?

    /// - Throws: if the store cannot be told that this rank is there.
    init(_ lease: Lease, of engine: StorageEngine) throws(MPIError) {
        try engine.store.renewLease()
        do throws(SystemFailure) {
            thread = try DedicatedThread { [self] in keep(lease, of: engine) }
        } catch {
            throw MPIError(.system, operation: "join", reason: "no thread for the lease: \(error)")
        }
    }

    private func keep(_ lease: Lease, of engine: StorageEngine) {
        while rest(lease.interval) {
            // A store that is gone for good is what the next call finds out.
            do throws(MPIError) {
                try engine.store.renewLease()
                let isWaitedFor = engine.waiterCount > 0
                guard let lost = try engine.store.lostRank(lease, isWaitedFor: isWaitedFor),
                    !isStopped
                else { continue }
                engine.fail(
                    MPIError(
                        .peerLost, operation: "lease",
                        reason: "it has shown no sign of life for \(lease.time); look at that "
                            + "rank's output", peer: lost))
                return
            } catch {
                continue
            }
        }
    }

    private var isStopped: Bool { monitor.withLock { isStopping } }

    /// False when it is time to stop.
    private func rest(_ time: Duration) -> Bool {
        let end = ContinuousClock.now + time
        return monitor.withLock {
            while !isStopping && ContinuousClock.now < end { monitor.wait(until: end) }
            return !isStopping
        }
    }

    /// Returns when the thread has ended.
    func stop() {
        monitor.withLock {
            isStopping = true
            monitor.broadcast()
        }
        thread?.join()
    }
}
