// Whose laboratory is this? Its name says which process built it, so that what a dead one left can
// be told from what a living one uses.
@preconcurrency import Glibc
import Synchronization

/// `PID`t`START`n`NUMBER`: a process by its number and the time it started, which together are never
/// used twice, and how many laboratories it has built before.
struct LabIdentity: Equatable, CustomStringConvertible {
    let process: pid_t
    let startTime: UInt64
    let number: Int

    private static let count = Atomic(0)

    /// Another one of this process.
    static func next() -> LabIdentity {
        let number = count.add(1, ordering: .relaxed).oldValue
        let process = getpid()
        return LabIdentity(
            process: process, startTime: startTimeOfProcess(process) ?? 0, number: number)
    }

    var description: String { "\(process)t\(startTime)n\(number)" }

    /// Does the process that built it still live?
    var isAlive: Bool { startTimeOfProcess(process) == startTime }
}

extension LabIdentity {
    /// The identity in the name of a namespace; nil if it is none of a laboratory's.
    init?(namespace: String) {
        guard namespace.hasPrefix(LabPlan.prefix) else { return nil }
        let rest = namespace.dropFirst(LabPlan.prefix.count)
        guard let dash = rest.firstIndex(of: "-") else { return nil }
        let parts = rest[..<dash].split(separator: "t", omittingEmptySubsequences: false)
        guard parts.count == 2, let process = pid_t(parts[0]) else { return nil }
        let numbers = parts[1].split(separator: "n", omittingEmptySubsequences: false)
        guard numbers.count == 2, let startTime = UInt64(numbers[0]), let number = Int(numbers[1])
        else { return nil }
        self.init(process: process, startTime: startTime, number: number)
    }
}

/// In clock ticks since the machine started; nil if there is no such process, or only its remains.
private func startTimeOfProcess(_ process: pid_t) -> UInt64? {
    let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1024)
    let count = read(descriptor, &bytes, bytes.count)
    guard count > 0 else { return nil }
    // pid (name) state …, of which the start time is the 20th after the name; the name may hold
    // spaces and parentheses.
    let text = bytes[..<count]
    guard let nameEnd = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = String(decoding: text[(nameEnd + 1)...], as: UTF8.self).split(separator: " ")
    guard fields.count > 19, fields[0] != "Z" else { return nil }
    return UInt64(fields[19])
}
