// withWorld: what every backend exports, here over the real MPI. A program changes worlds by
// changing the one import line.

import CMPIShim
import Glibc
import MessagePassing
import Profiling
import Synchronization

/// Runs `body` as this process's rank of the MPI job: under `mpirun`, under `srun`, or alone (a
/// world of size 1).
///
/// Collective over the job. Initialises MPI at the first call and finalises it when the process
/// exits. `body` runs on a thread of its own with 64 MiB of stack, so that deep recursion in user
/// code works alike on every backend; if MPI grants less than MPI_THREAD_SERIALIZED it runs on
/// the calling thread, the only one that may call MPI then.
///
/// If `body` throws, one line `rank R: <error>` goes to stderr and MPI_Abort ends all ranks with
/// exit code 1. Leave `body` by returning or throwing: a call of `exit` inside it leaves MPI
/// unfinalised, which mpirun takes for a crash and ends the job.
///
/// MPI 4.1 §11.2 (initialisation), §11.6 (threads).
public func withWorld(_ body: @escaping @Sendable (any Communicator) throws -> Void) {
    let body = profiled(body)
    do throws(MPIError) {
        let world = try MPICommunicator.world()
        let run: @Sendable () -> Void = {
            MPILibrary.isBodyRunning.store(true, ordering: .relaxed)
            do {
                try body(world)
            } catch {
                endJob("\(error)")
            }
            MPILibrary.isBodyRunning.store(false, ordering: .relaxed)
        }
        if MPICommunicator.threadLevel >= .serialized {
            try runOnDedicatedThread(stackByteCount: 64 << 20, run)
        } else {
            run()
        }
    } catch {
        writeErrorLine("\(error)")
        exit(1)
    }
}

/// What MPI lets threads do (MPI 4.1 §11.2.1).
public enum ThreadLevel: Int32, Sendable, Comparable, CaseIterable {
    /// One thread exists.
    case single
    /// Only the thread that initialised MPI calls it.
    case funneled
    /// Any thread calls MPI, one at a time.
    case serialized
    /// Any threads call MPI at once: what is asked for, unless `SWIFTMPI_THREAD_LEVEL` says otherwise,
    /// and what Open MPI grants.
    case multiple

    public static func < (lower: ThreadLevel, higher: ThreadLevel) -> Bool {
        lower.rawValue < higher.rawValue
    }
}

/// The MPI library of this process: initialised once, finalised at exit.
enum MPILibrary {
    struct Session: Sendable {
        let world: MPICommunicator
        let threadLevel: ThreadLevel
    }

    /// Is a `withWorld` body under way? Then an exit is no orderly end, and MPI_Finalize would
    /// wait for peers that wait for this rank.
    static let isBodyRunning = Atomic(false)

    static let session: Result<Session, MPIError> = Result { () throws(MPIError) in
        try start()
    }

    /// The most elements or bytes that one call of MPI counts.
    static let countLimit: Int = {
        do throws(MPIError) {
            return Int(try Settings.fromEnvironment().countLimit)
        } catch {
            return Int(Int32.max)
        }
    }()

    private static func start() throws(MPIError) -> Session {
        guard cmpi_is_available() != 0 else {
            throw MPIError(
                .unsupported, operation: "init",
                reason: """
                    this program was built without MPI; install libopenmpi-dev, openmpi-bin and \
                    pkg-config, then build again
                    """)
        }
        let settings = try Settings.fromEnvironment()
        var level = settings.threadLevel.rawValue
        var world: UInt64 = 0
        try check(cmpi_init(settings.countLimit, &level, &world), "init")
        atexit {
            if !MPILibrary.isBodyRunning.load(ordering: .relaxed) { cmpi_finalize() }
        }
        return Session(
            world: try MPICommunicator(adopting: world, timeout: settings.timeout, isWorld: true),
            threadLevel: ThreadLevel(rawValue: level) ?? .single)
    }
}

/// What the environment says.
struct Settings {
    /// `SWIFTMPI_TIMEOUT`, in seconds: how long one blocking call may take. Without it calls block
    /// in MPI itself, which is faster.
    var timeout: Duration?
    /// `SWIFTMPI_MAX_COUNT`: the largest count given to MPI, whose limit is 2³¹ − 1. Tests force
    /// it down, so that the paths for larger messages run on small ones.
    var countLimit = Int32.max
    /// `SWIFTMPI_THREAD_LEVEL`: what the program needs. Less than `multiple` saves MPI its locks.
    var threadLevel = ThreadLevel.multiple

    static func fromEnvironment() throws(MPIError) -> Settings {
        var settings = Settings()
        if let text = getenv("SWIFTMPI_TIMEOUT").map({ String(cString: $0) }) {
            guard let seconds = Double(text), seconds > 0, seconds < 1e9 else {
                throw .invalidArgument(
                    "init", "SWIFTMPI_TIMEOUT is \(text); give a positive number of seconds")
            }
            settings.timeout = .seconds(seconds)
        }
        if let text = getenv("SWIFTMPI_MAX_COUNT").map({ String(cString: $0) }) {
            guard let limit = Int32(text), limit > 0 else {
                throw .invalidArgument(
                    "init", "SWIFTMPI_MAX_COUNT is \(text); give 1 ... \(Int32.max)")
            }
            settings.countLimit = limit
        }
        if let text = getenv("SWIFTMPI_THREAD_LEVEL").map({ String(cString: $0) }) {
            guard let level = ThreadLevel.allCases.first(where: { "\($0)" == text }) else {
                let known = ThreadLevel.allCases.map { "\($0)" }.joined(separator: ", ")
                throw .invalidArgument(
                    "init", "SWIFTMPI_THREAD_LEVEL is \(text); give one of \(known)")
            }
            settings.threadLevel = level
        }
        return settings
    }
}
