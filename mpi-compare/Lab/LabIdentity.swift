// Whose laboratory is this? Its name says which process built it, so that what a dead one left can
// be told from what a living one uses.
@preconcurrency import Glibc
import Processes
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
            process: process, startTime: ProcessStatus(of: process)?.startTime ?? 0, number: number)
    }

    var description: String { "\(process)t\(startTime)n\(number)" }

    /// Does the process that built it still live?
    var isAlive: Bool { ProcessStatus(of: process)?.startTime == startTime }
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
