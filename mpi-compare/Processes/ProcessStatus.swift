// What the kernel tells of a process in /proc/PID/stat.
@preconcurrency import Glibc

public struct ProcessStatus {
    /// In clock ticks since the machine started.
    public let startTime: UInt64

    /// Nil if there is no such process, or it is a zombie: gone but for its parent.
    public init?(of process: pid_t) {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        // pid (name) state parent group session …, and the start time as the 20th after the name;
        // the name may hold spaces and parentheses.
        let text = bytes[..<count]
        guard let nameEnd = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: text[(nameEnd + 1)...], as: UTF8.self).split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", let startTime = UInt64(fields[19])
        else { return nil }
        self.startTime = startTime
    }
}
