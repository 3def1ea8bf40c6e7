// Finds what a session leader left behind. A process can leave its group (mpirun puts each rank
// into a group of its own) but stays in its session, unless it becomes a daemon on purpose.
@preconcurrency import Glibc
import Processes

/// Processes of the given sessions other than their leaders.
func membersOfSessions(_ leaders: Set<pid_t>) -> [pid_t] {
    guard let folder = opendir("/proc") else { return [] }
    defer { closedir(folder) }
    var members: [pid_t] = []
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        guard let identifier = pid_t(name), !leaders.contains(identifier) else { continue }
        if let status = ProcessStatus(of: identifier), leaders.contains(status.session) {
            members.append(identifier)
        }
    }
    return members
}
