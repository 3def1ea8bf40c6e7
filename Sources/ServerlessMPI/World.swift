// withWorld: the one line of a program that differs between transports. It joins, connects, runs
// the program on a thread of its own, agrees on errors, leaves, and sets the exit code.

import Glibc
import MessagePassing
import Profiling

/// Runs `body` as one rank of the job that the environment describes, and returns when all is
/// done.
///
/// Collective: every rank of the job calls it, once. Without a join URL in the environment
/// (`SERVERLESS_MPI_URL`, see docs/OPERATING.md) the world has size 1 and needs no server.
/// - Parameter body: the program; it runs on a thread of its own with a 16 MiB stack. An error it
///   throws fails the job on every rank.
/// - Errors: printed as one line on standard error, `rank 3: …`; then the process exits with code
///   1, or 2 if the environment is wrong.
///
/// MPI 4.1 §11.2 (MPI_Init, MPI_Finalize).
public func withWorld(_ body: @escaping @Sendable (any Communicator) throws -> Void) {
    let membership: AnyMembership
    do throws(MPIError) {
        membership = try AnyMembership.fromEnvironment()
    } catch {
        let rank = getenv(JoinConfiguration.Variable.rank).map { String(cString: $0) } ?? "?"
        exitWithLine("rank \(rank): \(error)", code: error.code == .invalidArgument ? 2 : 1)
    }
    let outcome = ProgramOutcome()
    let body = profiled(body)
    runOnThread {
        do {
            try body(membership.world)
        } catch {
            outcome.error = error
        }
    }
    if let error = outcome.error { exitAfterFailure(membership, error) }
    do throws(MPIError) {
        try membership.end()
    } catch {
        exitAfterFailure(membership, error)
    }
}

/// The time in a job, whatever carries its messages: the scheme of the join URL decides.
private enum AnyMembership {
    case direct(Membership)
    case storage(StorageMembership)

    static func fromEnvironment() throws(MPIError) -> AnyMembership {
        func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        if let url = value(JoinConfiguration.Variable.url), StorageURL.isStorage(url) {
            return .storage(try StorageMembership(url, value))
        }
        return .direct(try Membership(JoinConfiguration.fromEnvironment()))
    }

    var world: any Communicator {
        switch self {
        case .direct(let membership): membership.programWorld
        case .storage(let membership): membership.world
        }
    }

    func end() throws(MPIError) {
        switch self {
        case .direct(let membership): try membership.end()
        case .storage(let membership): try membership.end()
        }
    }

    func fail(_ error: any Error) -> String {
        switch self {
        case .direct(let membership): membership.fail(error).description
        case .storage(let membership): membership.fail(error)
        }
    }
}

private func exitAfterFailure(_ membership: AnyMembership, _ error: any Error) -> Never {
    exitWithLine("rank \(membership.world.rank): \(membership.fail(error))", code: 1)
}

/// What the program's thread leaves behind; read after the thread has ended.
private final class ProgramOutcome: @unchecked Sendable {
    var error: (any Error)?
}

/// One line on standard error, in one write, so that lines of several ranks do not mix.
private func exitWithLine(_ line: String, code: Int32) -> Never {
    let flat = String(line.map { $0.isNewline ? " " : $0 }) + "\n"
    _ = Array(flat.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(code)
}

/// Runs `body` on a new thread with a large stack, and waits for it to end.
private func runOnThread(_ body: @escaping @Sendable () -> Void) {
    guard let thread = startProgramThread(body) else {
        exitWithLine("rank ?: no thread for the program", code: 1)
    }
    pthread_join(thread, nil)
}

/// Runs `body` on a new thread with a stack of 16 MiB; nil if the system has none left.
func startProgramThread(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
    final class Job: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 16 << 20)
    var thread = pthread_t()
    let job = Unmanaged.passRetained(Job(body))
    let status = pthread_create(
        &thread, &attributes,
        { context in
            if let context { Unmanaged<Job>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, job.toOpaque())
    guard status == 0 else {
        job.release()
        return nil
    }
    return thread
}
