// Ranks as threads of one process: the newcomer's first file. `withWorld` is what programs call,
// `ThreadMPI.run` what tests do.

import Glibc
import MessagePassing
import Profiling
import Synchronization

/// Runs `body` once per rank, each on a thread of its own; returns when all have returned.
///
/// `THREADMPI_RANKS` is the number of ranks (default 1), `THREADMPI_TIMEOUT` how many seconds one
/// wait may last before it throws `timedOut` (default 300). Rank bodies share the process's
/// memory, global variables and standard output.
///
/// If a body throws, all other ranks' calls throw the same cause, one line `rank R: <error>` for
/// the first one goes to stderr, and the process exits with code 1; with 2 if the environment
/// is wrong.
public func withWorld(_ body: @escaping @Sendable (any Communicator) throws -> Void) {
    let settings: Settings
    do throws(MPIError) {
        settings = try Settings.fromEnvironment()
    } catch {
        endProcess("\(error)", code: 2)
    }
    let job = Job(
        world: World(size: settings.ranks, timeout: settings.timeout), profiled(body))
    do throws(MPIError) {
        let threads = try job.start()
        if let failure = job.awaitEnd(grace: .seconds(5)) {
            endProcess("rank \(failure.rank): \(failure.error)", code: 1)
        }
        for thread in threads { thread.join() }
    } catch {
        endProcess("\(error)", code: 1)
    }
}

/// Running ranks as threads from code, with what tests need to observe.
public enum ThreadMPI {
    /// What the ranks sent, by rank: every `isend` of a body or of a collective, to oneself too.
    public struct Traffic: Sendable, Equatable {
        public var messages: [Int]
        public var bytes: [Int]
    }

    /// A message about to be sent. Ranks are those of the world.
    public struct SentMessage: Sendable {
        public let source: Int
        public let destination: Int
        public let tag: Tag
        public let context: Context
        public let byteCount: Int
    }

    /// Runs `body` on `size` ranks and waits for all of them.
    ///
    /// - Parameters:
    ///   - timeout: how long one wait may last; nil waits for ever.
    ///   - onSend: called on the sender's thread before each message; may sleep to delay it.
    /// - Returns: what was sent.
    /// - Throws: the first error that a body threw; those of the other ranks follow from it.
    @discardableResult
    public static func run(
        size: Int, timeout: Duration? = .seconds(300),
        onSend: (@Sendable (SentMessage) -> Void)? = nil,
        _ body: @escaping @Sendable (any Communicator) throws -> Void
    ) throws -> Traffic {
        guard size > 0 else {
            throw MPIError.invalidArgument("run", "a world of \(size) ranks; use 1 or more")
        }
        let world = World(size: size, timeout: timeout, onSend: onSend)
        let job = Job(world: world, body)
        for thread in try job.start() { thread.join() }
        if let failure = job.failure { throw failure.error }
        return Traffic(
            messages: world.endpoints.all.map { $0.pointee.sentMessages.load(ordering: .relaxed) },
            bytes: world.endpoints.all.map { $0.pointee.sentBytes.load(ordering: .relaxed) })
    }
}

/// What the environment says.
struct Settings {
    var ranks = 1
    var timeout = Duration.seconds(300)

    static func fromEnvironment() throws(MPIError) -> Settings {
        var settings = Settings()
        if let text = getenv("THREADMPI_RANKS").map({ String(cString: $0) }) {
            guard let ranks = Int(text), ranks > 0, ranks <= 1024 else {
                throw .invalidArgument(
                    "withWorld", "THREADMPI_RANKS is '\(text)'; give a number from 1 to 1024")
            }
            settings.ranks = ranks
        }
        if let text = getenv("THREADMPI_TIMEOUT").map({ String(cString: $0) }) {
            guard let seconds = Double(text), seconds > 0, seconds < 1e9 else {
                throw .invalidArgument(
                    "withWorld",
                    "THREADMPI_TIMEOUT is '\(text)'; give a positive number of seconds")
            }
            settings.timeout = .seconds(seconds)
        }
        return settings
    }
}

/// Writes one line to stderr and exits.
private func endProcess(_ text: String, code: Int32) -> Never {
    let line = text.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n"
    line.withCString { _ = write(STDERR_FILENO, $0, strlen($0)) }
    exit(code)
}
