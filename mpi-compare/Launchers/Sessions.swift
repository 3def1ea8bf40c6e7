// Finds what a session leader left behind. A process can leave its group (mpirun puts each rank
// into a group of its own) but stays in its session, unless it becomes a daemon on purpose.
@preconcurrency import Glibc

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
        if let session = session(of: identifier), leaders.contains(session) {
            members.append(identifier)
        }
    }
    return members
}

/// The session of a living process; nil for a zombie, which is gone but for its parent.
private func session(of identifier: pid_t) -> pid_t? {
    let descriptor = open("/proc/\(identifier)/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return nil }
    // pid (name) state parent group session …; the name may hold spaces and parentheses.
    let text = bytes[..<count]
    guard let nameEnd = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = String(decoding: text[(nameEnd + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 3, fields[0] != "Z" else { return nil }
    return pid_t(fields[3])
}
