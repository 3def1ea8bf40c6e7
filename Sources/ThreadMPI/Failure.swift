// How a communicator fails: once, with one cause, on all its ranks at the same time.

import MessagePassing
import Synchronization

/// The failed-or-not of one communicator, shared by its ranks. The world's failure fails every
/// communicator.
final class Failure: @unchecked Sendable {
    private let hasOwn = Atomic(false)
    private let cause = Mutex<MPIError?>(nil)
    private let world: Failure?
    private let endpoints: [EndpointPointer]

    /// - Parameters:
    ///   - endpoints: the ranks to wake.
    ///   - world: nil for the world's own.
    init(endpoints: [EndpointPointer], world: Failure?) {
        self.endpoints = endpoints
        self.world = world
    }

    @inline(__always)
    var hasFailed: Bool {
        hasOwn.load(ordering: .sequentiallyConsistent)
            || world?.hasOwn.load(ordering: .sequentiallyConsistent) == true
    }

    /// The first cause; nil while all is well.
    var firstCause: MPIError? {
        cause.withLock { $0 } ?? world?.cause.withLock { $0 }
    }

    /// Fails the communicator, unless it has failed already; the first cause.
    @discardableResult
    func fail(_ error: MPIError) -> MPIError {
        let first = cause.withLock { cause in
            if let cause { return cause }
            let first = world?.cause.withLock { $0 } ?? error
            cause = first
            return first
        }
        hasOwn.store(true, ordering: .sequentiallyConsistent)
        for endpoint in endpoints { endpoint.pointee.wake() }
        return first
    }

    /// Throws the cause if the communicator has failed.
    @inline(__always)
    func check() throws(MPIError) {
        if hasFailed { try throwCause() }
    }

    /// To be called after `hasFailed`.
    func throwCause() throws(MPIError) -> Never {
        throw firstCause
            ?? MPIError(.aborted, operation: "wait", reason: "the communicator has failed")
    }
}
