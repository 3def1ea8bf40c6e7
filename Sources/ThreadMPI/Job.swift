// The ranks' threads from start to end, and what became of them.

import MessagePassing
import Synchronization

/// One run of a program on the ranks of a world.
final class Job: Sendable {
    struct Failed: Sendable {
        let rank: Int
        let error: any Error
    }

    private let world: World
    private let body: @Sendable (any Communicator) throws -> Void
    private let firstFailure = Mutex<Failed?>(nil)
    private let hasFailed = Atomic(false)
    private let returned = Atomic<Int>(0)
    /// One, where the thread that started the ranks waits.
    private let starters: Endpoints

    init(world: World, _ body: @escaping @Sendable (any Communicator) throws -> Void) {
        self.world = world
        self.body = body
        starters = Endpoints(count: 1, patience: world.patience)
    }

    /// What the first rank to fail threw.
    var failure: Failed? { firstFailure.withLock { $0 } }

    /// Starts all ranks, or none that goes on.
    func start() throws(MPIError) -> [RankThread] {
        var threads: [RankThread] = []
        for rank in 0..<world.endpoints.count {
            do throws(MPIError) {
                threads.append(try RankThread { [self] in run(rank: rank) })
            } catch {
                world.group.failure.fail(error)
                for thread in threads { thread.join() }
                throw error
            }
        }
        return threads
    }

    /// Blocks until all ranks have returned, or one has failed and the others had `grace` to
    /// follow; the first failure.
    func awaitEnd(grace: Duration) -> Failed? {
        let size = world.endpoints.count
        _ = starters[0].pointee.sleep(until: nil) {
            returned.load(ordering: .sequentiallyConsistent) == size
                || hasFailed.load(ordering: .sequentiallyConsistent)
        }
        _ = starters[0].pointee.sleep(until: MonotonicTime(after: grace)) {
            returned.load(ordering: .sequentiallyConsistent) == size
        }
        return failure
    }

    private func run(rank: Int) {
        do {
            try body(ThreadCommunicator(world: world, group: world.group, rank: rank))
        } catch {
            firstFailure.withLock { first in
                if first == nil { first = Failed(rank: rank, error: error) }
            }
            hasFailed.store(true, ordering: .sequentiallyConsistent)
            world.group.failure.fail(cause(of: error, rank))
            starters[0].pointee.wake()
        }
        world.leave(rank: rank)
        returned.add(1, ordering: .sequentiallyConsistent)
        starters[0].pointee.wake()
    }

    /// What the other ranks are told: a failed communicator's cause as it is, an error that
    /// happened to one rank alone with that rank's number.
    private func cause(of error: any Error, _ rank: Int) -> MPIError {
        let local: [MPIError.Code] = [.invalidArgument, .truncated, .cancelled, .unsupported]
        if let error = error as? MPIError, !local.contains(error.code) { return error }
        return MPIError(
            .programFailed, operation: "withWorld", reason: "its program ended with: \(error)",
            peer: rank)
    }
}
