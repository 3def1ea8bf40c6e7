// Finds what a job's processes left behind. A process can leave its group and its session (mpirun
// puts each rank into a group of its own, a daemon does both), but it keeps the variables it was
// started with, unless it is started without any on purpose.
@preconcurrency import Glibc
import Processes
import Synchronization

/// The mark that all processes of one job bear in their environment.
struct JobMark: Sendable {
    static let variable = "MPI_COMPARE_JOB"
    private static let count = Atomic(0)

    /// Unlike that of any other job on this machine, living or dead.
    let value: String

    init() {
        let number = JobMark.count.add(1, ordering: .relaxed).newValue
        let process = getpid()
        value = "\(process)-\(ProcessStatus(of: process)?.startTime ?? 0)-\(number)"
    }

    /// Processes of the job, other than `known` ones, that this user may see.
    func processes(except known: Set<pid_t>) -> [pid_t] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var found: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let process = pid_t(name), !known.contains(process), bears(process) else {
                continue
            }
            found.append(process)
        }
        return found
    }

    /// A zombie has no environment any more.
    private func bears(_ process: pid_t) -> Bool {
        let descriptor = open("/proc/\(process)/environ", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var environment: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { break }
            environment += chunk[..<count]
        }
        let wanted = Array("\(JobMark.variable)=\(value)".utf8)
        return environment.split(separator: 0).contains { $0.elementsEqual(wanted) }
    }
}
