// The kernel's accounts for one sandbox: so much memory, such a share of the processors, and a
// switch that stops every process in it at once. Both of Linux's interfaces for that are known
// (cgroups v1 and v2); where neither may be used, the sandbox is stopped by signals, and its memory
// and processors are not limited.
@preconcurrency import Glibc
import Processes

struct ControlGroup: Sendable {
    /// Folders, one per controller in v1, a single one in v2. Empty where there is none.
    let folders: [String]
    private let memory: String?
    private let freezer: Freezer?

    private enum Freezer: Sendable {
        case v1(String)
        case v2(String)
    }

    /// What of cgroups this process may use.
    private struct Hierarchy: Sendable {
        var isV2 = false
        /// The folder under which groups may be made, by controller.
        var parents: [String: String] = [:]
    }

    private static let hierarchy = findHierarchy("/sys/fs/cgroup")

    /// The controllers that this process may not use.
    static var missing: [String] {
        ["memory", "cpu", "freezer"].filter { hierarchy.parents[$0] == nil }
    }

    /// What cannot be limited here, in words; nil if all can.
    static var shortcoming: String? {
        if missing.isEmpty { return nil }
        return "no cgroup for \(missing.joined(separator: ", ")): sandboxes have no such limit,"
            + " and are stopped by signals"
    }

    /// - Parameter name: unique on this machine.
    init(_ name: String, memoryMegabytes: Int, processors: Double) {
        self.init(
            name, in: ControlGroup.hierarchy, memoryMegabytes: memoryMegabytes,
            processors: processors)
    }

    /// - Parameter root: where cgroups are mounted.
    init(_ name: String, under root: String, memoryMegabytes: Int, processors: Double) {
        self.init(
            name, in: ControlGroup.findHierarchy(root), memoryMegabytes: memoryMegabytes,
            processors: processors)
    }

    private init(
        _ name: String, in hierarchy: Hierarchy, memoryMegabytes: Int, processors: Double
    ) {
        var folders: [String: String] = [:]
        for (controller, parent) in hierarchy.parents {
            let folder = "\(parent)/\(name)"
            if mkdir(folder, 0o755) == 0 || errno == EEXIST { folders[controller] = folder }
        }
        self.folders = Array(Set(folders.values)).sorted()
        memory = folders["memory"].map {
            "\($0)/\(hierarchy.isV2 ? "memory.peak" : "memory.max_usage_in_bytes")"
        }
        freezer = folders["freezer"].map {
            hierarchy.isV2 ? .v2("\($0)/cgroup.freeze") : .v1("\($0)/freezer.state")
        }
        let byteCount = memoryMegabytes << 20
        let periodMicroseconds = 20_000
        let quota = max(1000, Int(Double(periodMicroseconds) * processors))
        if let folder = folders["memory"] {
            let file = hierarchy.isV2 ? "memory.max" : "memory.limit_in_bytes"
            ControlGroup.set("\(folder)/\(file)", "\(byteCount)")
        }
        if let folder = folders["cpu"] {
            if hierarchy.isV2 {
                ControlGroup.set("\(folder)/cpu.max", "\(quota) \(periodMicroseconds)")
            } else {
                ControlGroup.set("\(folder)/cpu.cfs_period_us", "\(periodMicroseconds)")
                ControlGroup.set("\(folder)/cpu.cfs_quota_us", "\(quota)")
            }
        }
    }

    /// Stops or continues all processes; false if that is left to signals.
    func setFrozen(_ isFrozen: Bool) -> Bool {
        switch freezer {
        case .v1(let path): ControlGroup.set(path, isFrozen ? "FROZEN" : "THAWED")
        case .v2(let path): ControlGroup.set(path, isFrozen ? "1" : "0")
        case nil: return false
        }
        return true
    }

    /// The most memory it ever had, in MB; nil if nobody counts.
    var peakMegabytes: Int? {
        guard let memory, let text = ControlGroup.read(memory),
            let bytes = Int(text.prefix { $0.isNumber })
        else { return nil }
        return bytes >> 20
    }

    /// Once nothing runs in it any more.
    func remove() {
        for folder in folders {
            // The last process may still be on its way out.
            for _ in 0..<100 where rmdir(folder) != 0 && errno == EBUSY { usleep(5_000) }
        }
    }

    /// The folders under which groups are made.
    static var parents: [String] { Array(Set(hierarchy.parents.values)).sorted() }

    private static func findHierarchy(_ root: String) -> Hierarchy {
        var found = Hierarchy()
        let controllers = words("\(root)/cgroup.controllers")
        if controllers.contains("memory"), controllers.contains("cpu") {
            found.isV2 = true
            guard isWritable(root) else { return found }
            found.parents["freezer"] = root
            // Refused where processes are in this very group, as in many containers: then there are
            // groups to stop processes by, but without limits.
            let wanted = ["memory", "cpu"].filter {
                !words("\(root)/cgroup.subtree_control").contains($0)
            }
            if !wanted.isEmpty {
                set(
                    "\(root)/cgroup.subtree_control",
                    wanted.map { "+\($0)" }.joined(separator: " "))
            }
            for controller in words("\(root)/cgroup.subtree_control")
            where ["memory", "cpu"].contains(controller) {
                found.parents[controller] = root
            }
            return found
        }
        // v1: below this process's own group, so that limits around us still hold.
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for controller in parts[1].split(separator: ",").map(String.init)
            where ["memory", "cpu", "freezer"].contains(controller) {
                let folder = "\(root)/\(controller)" + (parts[2] == "/" ? "" : parts[2])
                if isWritable(folder) { found.parents[controller] = folder }
            }
        }
        return found
    }

    private static func words(_ path: String) -> [String] {
        (read(path) ?? "").split { $0 == " " || $0.isNewline }.map(String.init)
    }

    private static func isWritable(_ folder: String) -> Bool {
        let probe = "\(folder)/smpi-\(getpid())-probe"
        guard mkdir(probe, 0o755) == 0 else { return false }
        rmdir(probe)
        return true
    }

    private static func set(_ path: String, _ value: String) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        _ = Array(value.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
