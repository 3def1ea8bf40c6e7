// The peers of `mpi-compare bench`: the same ladder in C, built when it is asked for.
@preconcurrency import Glibc
import Launchers
import Processes
import Workloads

/// A C program that climbs beside the environments.
enum LadderPeer: String, CaseIterable {
    /// Plain sockets, no library: the floor.
    case raw
    /// Open MPI over TCP from C: what SwiftMPI adds to it.
    case openMPIFromC = "openmpi-tcp-c"
    /// MPICH over TCP from C.
    case mpich

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    private var compiler: String {
        switch self {
        case .raw: "cc"
        case .openMPIFromC: "mpicc.openmpi"
        case .mpich: "mpicc.mpich"
        }
    }

    private var packages: String {
        switch self {
        case .raw: "gcc"
        case .openMPIFromC: "libopenmpi-dev openmpi-bin"
        case .mpich: "libmpich-dev mpich"
        }
    }

    /// Builds the program into `folder`.
    /// - Throws: `LaunchError` saying what is missing.
    func build(into folder: String) throws -> String {
        let sources = "Benchmarks/peers"
        guard access("\(sources)/ladder.c", R_OK) == 0 else {
            throw LaunchError("--against \(rawValue): run it in the repository, for \(sources)")
        }
        guard let compiler = findExecutable(compiler) else {
            throw LaunchError(
                "--against \(rawValue) needs \(compiler): apt-get install \(packages)")
        }
        let program = "\(folder)/ladder-\(rawValue)"
        let transport = self == .raw ? "transport_sockets.c" : "transport_mpi.c"
        var words: [String] = []
        let end = try runJob(
            [
                ProcessPlan(
                    executable: compiler,
                    arguments: [
                        "-O3", "-march=native", "-o", program, "\(sources)/ladder.c",
                        "\(sources)/\(transport)",
                    ])
            ]
        ) { words.append($0.text) }
        guard end == .success else {
            throw LaunchError("\(compiler) cannot build \(sources): \(words.first ?? "no words")")
        }
        return program
    }

    /// How it is started on `ranks` ranks.
    /// - Throws: `LaunchError` if its launcher is missing.
    func plan(_ program: String, gates: String, isPinned: Bool, ranks: Int) throws -> ProcessPlan {
        let arguments = [gates, isPinned ? "yes" : "no"]
        switch self {
        case .raw:
            return ProcessPlan(executable: program, arguments: arguments + [String(ranks)])
        case .openMPIFromC:
            return try openMPIPlan(
                program, arguments, ranks: ranks, overTCP: true, tagged: false,
                operationTimeout: nil)
        case .mpich:
            guard let mpirun = findExecutable("mpirun.mpich") else {
                throw LaunchError("--against mpich needs mpirun.mpich: apt-get install mpich")
            }
            return ProcessPlan(
                executable: mpirun, arguments: ["-n", String(ranks), program] + arguments,
                environment: [
                    "MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "lo",
                ])
        }
    }
}
