// Can an environment be used on this machine, and where are the workers?
@preconcurrency import Glibc
import Lab
import Launchers
import Processes

/// The folder that holds this executable and, built beside it, the workers.
func folderOfThisProgram() -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
    let path = String(decoding: bytes, as: UTF8.self)
    return path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        .joined(separator: "/")
}

/// Why an environment has to be left out, with what to do about it; nil if it is there.
func reasonToSkip(
    _ environment: Environment, worker: String, _ functions: LambdaOptions
) -> String? {
    if environment == .lambda {
        return functions.function == nil
            ? "give --function, --rendezvous and --secret-file, and AWS credentials" : nil
    }
    guard findExecutable(worker) != nil else {
        return "there is no \(worker): swift build --product worker-\(environment.backend.rawValue)"
    }
    if environment.backend == .openmpi {
        let packages = "apt-get install openmpi-bin libopenmpi-dev pkg-config"
        if findExecutable("mpirun") == nil { return "there is no mpirun in PATH: \(packages)" }
        if !isLinkedToOpenMPI(worker) {
            return "the worker was built without Open MPI: \(packages), then build again"
        }
    }
    if let reason = reasonStoreIsUnavailable(environment) { return reason }
    switch environment {
    case .serverlessNAT: return reasonLabIsUnavailable()
    case .lambdaLocal: return LambdaPackage.reasonUnavailable ?? reasonLabIsUnavailable()
    default: return nil
    }
}

func environmentVariable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
