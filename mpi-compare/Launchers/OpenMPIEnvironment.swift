// Open MPI: one mpirun process stands for all ranks.
@preconcurrency import Glibc
import Processes

/// How mpirun is called for `ranks` ranks of a program.
///
/// - Parameter tagged: have each line's rank written before it, for `launch`.
/// - Throws: `LaunchError` if there is no mpirun.
public func openMPIPlan(
    _ executable: String, _ arguments: [String], ranks: Int, overTCP: Bool, tagged: Bool,
    operationTimeout: Int?
) throws(LaunchError) -> ProcessPlan {
    guard let mpirun = findExecutable("mpirun") else { throw missingOpenMPI }
    // Nothing is bound to a core, as in the other environments: the kernel places all ranks alike.
    // Hardware threads count as slots, so that a 2-processor virtual machine takes 2 ranks.
    var options = ["-n", String(ranks), "--bind-to", "none", "--use-hwthread-cpus"]
    if geteuid() == 0 { options.append("--allow-run-as-root") }
    if ranks > processorCount() { options.append("--oversubscribe") }
    if tagged { options.append("--tag-output") }
    if overTCP {
        // The loopback interface by name: by default Open MPI skips it, and a machine without a
        // network would have no transport left.
        options += ["--mca", "pml", "ob1", "--mca", "btl", "tcp,self"]
        options += ["--mca", "btl_tcp_if_include", "lo"]
    }
    var variables: [String: String] = [:]
    if let operationTimeout { variables["SWIFTMPI_TIMEOUT"] = String(operationTimeout) }
    return ProcessPlan(
        executable: mpirun, arguments: options + [executable] + arguments, environment: variables,
        tagsItsOutput: tagged)
}

let missingOpenMPI = LaunchError(
    "there is no mpirun in PATH: install Open MPI (apt-get install openmpi-bin libopenmpi-dev) "
        + "or choose another environment")
