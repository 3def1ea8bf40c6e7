// Ranks of a storage job as threads of the test, each with connections of its own.

import MessagePassing
import Synchronization

@testable import ServerlessMPI

enum StorageRanks {
    /// What each rank's body returned or threw.
    static func run<Value: Sendable>(
        _ url: String, size: Int,
        _ body: @escaping @Sendable (StorageCommunicator) throws -> Value
    ) throws -> [Result<Value, any Error>] {
        let results = ResultSlots<Result<Value, any Error>>(size)
        let threads = try (0..<size).map { rank in
            try DedicatedThread {
                results[rank] = Result {
                    let membership = try join(url, rank: rank)
                    do {
                        let value = try body(membership.world)
                        try membership.end()
                        return value
                    } catch {
                        _ = membership.fail(error)
                        throw error
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        return (0..<size).compactMap { results[$0] }
    }

    static func join(
        _ url: String, rank: Int?, requestID: String? = nil
    ) throws(MPIError) -> StorageMembership {
        try StorageMembership(url) { name in
            switch name {
            case JoinConfiguration.Variable.rank: rank.map(String.init)
            case JoinConfiguration.Variable.requestID: requestID
            default: nil
            }
        }
    }
}
