// MPICommunicator: an MPI_Comm as a Communicator. Its calls are in the files beside this one.

import CMPIShim
import MessagePassing
import Synchronization

/// A communicator of the real MPI library: Open MPI 4.1 or 5.
///
/// Every call is the MPI call of the same name; differences are documented where they are.
/// Without `SWIFTMPI_TIMEOUT` a call that its peers do not answer blocks for ever, as in MPI, and a
/// rank that dies ends the job, as mpirun does. Wrong use across ranks is not detected.
///
/// A message longer than its receive buffer throws `truncated` up to 512 bytes; a longer one ends the
/// job, because Open MPI 4.1 writes past the end of the buffer (measured with 4.1.4: shared memory,
/// TCP and messages to oneself; `--mca btl_self_flags 1 --mca btl_vader_flags 1 --mca btl_tcp_flags
/// 1` avoids that, at the price of a copy). Receives of unknown length, which probe, are safe.
public final class MPICommunicator: Communicator {
    public let rank: Int
    public let size: Int
    public let timeout: Duration?

    /// The MPI_Comm's bits.
    let handle: UInt64
    /// The largest tag this MPI library carries (MPI_TAG_UB); Open MPI: `Tag.upperBound`.
    let tagBound: Int32
    /// `timeout` as the shim takes it: negative for none.
    let seconds: Double
    private let isWorld: Bool
    /// How many collectives ran through the default algorithms.
    private let calls = Atomic<UInt32>(0)
    /// The duplicate that carries their messages; 0 until the first one.
    private let collectiveHandle = Atomic<UInt64>(0)

    init(adopting handle: UInt64, timeout: Duration?, isWorld: Bool = false) throws(MPIError) {
        var rank: Int32 = 0
        var size: Int32 = 0
        var bound: Int32 = 0
        try check(cmpi_comm_rank(handle, &rank), "init")
        try check(cmpi_comm_size(handle, &size), "init")
        try check(cmpi_comm_tag_bound(handle, &bound), "init")
        self.handle = handle
        self.rank = Int(rank)
        self.size = Int(size)
        self.timeout = timeout
        self.tagBound = bound
        self.seconds = timeout.map { $0 / .seconds(1) } ?? -1
        self.isWorld = isWorld
    }

    /// Frees the communicator on this rank. MPI calls that collective, but no implementation
    /// communicates for it, and ranks drop their references at different times.
    deinit {
        let duplicate = collectiveHandle.load(ordering: .relaxed)
        if duplicate != 0 { cmpi_comm_free(duplicate) }
        if !isWorld { cmpi_comm_free(handle) }
    }

    /// MPI_COMM_WORLD; initialises MPI at the first call. `withWorld` is the usual way.
    ///
    /// - Throws: `unsupported` if the package was built without MPI.
    public static func world() throws(MPIError) -> MPICommunicator {
        try MPILibrary.session.get().world
    }

    /// What MPI granted when asked for MPI_THREAD_MULTIPLE, or `SWIFTMPI_THREAD_LEVEL` (MPI 4.1
    /// §11.2.1); `single` if initialisation failed.
    public static var threadLevel: ThreadLevel {
        switch MPILibrary.session {
        case .success(let session): session.threadLevel
        case .failure: .single
        }
    }

    /// Name and version of the MPI library (MPI_Get_library_version, MPI 4.1 §9.1.1).
    public static var libraryVersion: String {
        shimText { cmpi_library_version($0, $1) } ?? "none"
    }

    // MARK: Contexts

    /// The MPI_Comm that carries messages of `context`: the user's and those of collectives never
    /// meet, not even under `.any`.
    func handle(for context: Context) throws(MPIError) -> UInt64 {
        switch context {
        case .pointToPoint: return handle
        case .collective(let call):
            let duplicate = collectiveHandle.load(ordering: .acquiring)
            guard duplicate != 0 else {
                throw .invalidArgument("\(call.operation)", "call beginCollective first")
            }
            return duplicate
        }
    }

    /// Numbers a collective that runs as a default algorithm; the first one duplicates the
    /// communicator (MPI_Comm_dup), which is why all ranks must come here.
    public func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        if collectiveHandle.load(ordering: .acquiring) == 0 {
            var duplicate: UInt64 = 0
            try check(cmpi_comm_dup(handle, seconds, &duplicate), "\(operation)")
            collectiveHandle.store(duplicate, ordering: .releasing)
        }
        var sequence = calls.wrappingAdd(1, ordering: .relaxed).newValue
        if sequence == 0 { sequence = calls.wrappingAdd(1, ordering: .relaxed).newValue }
        return CollectiveCall(sequence: sequence, operation: operation, root: root)
    }

    // MARK: Communicators

    /// MPI_Comm_split (MPI 4.1 §7.4.2). Colours and keys may be any `Int`, which MPI's may not:
    /// they are agreed on by an allgather of 24 bytes per rank first.
    public func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        let mine = [color == nil ? 0 : 1, color ?? 0, key]
        let all = try allgather(mine.span)
        let members = (0..<size)
            .filter { color != nil && all[3 * $0] == 1 && all[3 * $0 + 1] == color }
            .sorted { (all[3 * $0 + 2], $0) < (all[3 * $1 + 2], $1) }
        var child: UInt64 = 0
        let place = members.firstIndex(of: rank) ?? 0
        try check(
            cmpi_comm_split(
                handle, Int32(members.min() ?? -1), Int32(place), seconds, &child), "split")
        if child == 0 { return nil }
        return try MPICommunicator(adopting: child, timeout: timeout)
    }

    /// MPI_Comm_dup (MPI 4.1 §7.4.2).
    public func dup() throws(MPIError) -> any Communicator {
        var child: UInt64 = 0
        try check(cmpi_comm_dup(handle, seconds, &child), "dup")
        return try MPICommunicator(adopting: child, timeout: timeout)
    }

    /// Prints `reason` and ends every rank of the job: MPI_Abort (MPI 4.1 §9.7) can do no less, so
    /// this never throws.
    public func abort(_ reason: MPIError) throws(MPIError) -> Never {
        endJob("\(reason)")
    }
}
