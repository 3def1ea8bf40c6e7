// What a sandbox's limits come to in the files of cgroups v2. The kernels at hand give memory and cpu
// to v1, so a folder with the same files stands for the mount.
import Foundation
import Testing

@testable import LambdaEmulator

@Suite("Control groups v2")
struct ControlGroupTests {
    private static let files = ["memory.max", "cpu.max", "cgroup.freeze", "memory.peak"]
    private let root = NSTemporaryDirectory() + "cgroup-tests-\(UUID().uuidString)"

    /// A mount whose group "box" the kernel has already filled with files.
    private func makeMount(delegated: String) throws {
        let box = "\(root)/box"
        try FileManager.default.createDirectory(atPath: box, withIntermediateDirectories: true)
        try write("cgroup.controllers", "cpuset cpu io memory pids\n")
        try write("cgroup.subtree_control", delegated)
        for file in Self.files { try write("box/\(file)", "") }
        try write("box/memory.peak", "104857600\n")
    }

    private func write(_ file: String, _ text: String) throws {
        try text.write(toFile: "\(root)/\(file)", atomically: false, encoding: .utf8)
    }

    private func read(_ file: String) throws -> String {
        try String(contentsOfFile: "\(root)/\(file)", encoding: .utf8)
    }

    @Test("limits memory and processors, freezes and thaws, and tells the peak")
    func limits() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try makeMount(delegated: "memory cpu\n")
        let group = ControlGroup("box", under: root, memoryMegabytes: 3538, processors: 2)
        #expect(group.folders == ["\(root)/box"])
        #expect(try read("box/memory.max") == "\(3538 << 20)")
        #expect(try read("box/cpu.max") == "40000 20000")
        #expect(group.peakMegabytes == 100)
        #expect(group.setFrozen(true))
        #expect(try read("box/cgroup.freeze") == "1")
        #expect(group.setFrozen(false))
        #expect(try read("box/cgroup.freeze") == "0")
    }

    @Test("claims no limits where the kernel delegates no controller")
    func undelegated() throws {
        defer { try? FileManager.default.removeItem(atPath: root) }
        try makeMount(delegated: "")
        // A kernel that refuses leaves the file as it was.
        try FileManager.default.removeItem(atPath: "\(root)/cgroup.subtree_control")
        let group = ControlGroup("box", under: root, memoryMegabytes: 512, processors: 1)
        #expect(try read("box/memory.max") == "" && read("box/cpu.max") == "")
        #expect(group.peakMegabytes == nil)
        #expect(group.setFrozen(true))
        #expect(try read("box/cgroup.freeze") == "1")
    }
}
