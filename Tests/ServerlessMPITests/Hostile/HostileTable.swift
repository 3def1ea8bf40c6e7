// The hostile table: everything a stranger, an impostor or a lying member can say to a server and
// to ranks, each while a job exchanges checked data. `make hostile-table` runs it and writes
// docs/results/hostile.md.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

/// One row: who is to refuse, and what is done to them.
struct HostileCase: Sendable, CustomTestStringConvertible {
    enum Refuser: String, Sendable { case server, observer, rank, nobody }

    let name: String
    let refuser: Refuser
    /// Memory that the process may grow by meanwhile, attacker included.
    var growthMax = 64 << 20
    /// Does it, checks that it is refused, and says how.
    let attack: @Sendable (HostileWorld) throws -> String

    init(
        _ name: String, _ refuser: Refuser, growthMax: Int = 64 << 20,
        _ attack: @escaping @Sendable (HostileWorld) throws -> String
    ) {
        self.name = name
        self.refuser = refuser
        self.growthMax = growthMax
        self.attack = attack
    }

    var testDescription: String { name }

    static let all: [HostileCase] =
        serverCases + memberCases + floodCases + peerCases + liarCases + impostorCases
        + secretCases
}

@Suite("Hostile table", .serialized)
struct HostileTableTests {
    @Test("is refused, and the job goes on", arguments: HostileCase.all)
    func row(_ test: HostileCase) throws {
        let world = try HostileWorld()
        defer { world.end() }
        Memory.forgetPeak()
        let before = Memory.resident
        let start = ContinuousClock.now
        let how = try test.attack(world)
        let took = ContinuousClock.now - start
        let growth = max(0, Memory.peak - before)
        #expect(growth <= test.growthMax, "\(test.name): \(growth >> 20) MiB")
        // The job exchanges on after the attack, and ends with every rank content.
        let rounds = world.rounds
        #expect(world.advances(beyond: rounds + 2), "\(test.name): the job stands still")
        let failures = world.finish()
        #expect(failures.isEmpty, "\(test.name): \(failures)")
        HostileReport.shared.add(test, how, took, growth)
    }

    @Test("has at least forty rows of different names")
    func size() {
        #expect(Set(HostileCase.all.map(\.name)).count == HostileCase.all.count)
        #expect(HostileCase.all.count >= 40)
    }
}

/// This process's memory, as the kernel counts it.
enum Memory {
    static var resident: Int { status("VmRSS:") }
    static var peak: Int { status("VmHWM:") }

    /// Lets the peak begin again at what is resident now.
    static func forgetPeak() {
        let file = open("/proc/self/clear_refs", O_WRONLY)
        guard file >= 0 else { return }
        _ = write(file, "5", 1)
        close(file)
    }

    private static func status(_ name: String) -> Int {
        for line in FileText.read("/proc/self/status").split(separator: "\n")
        where line.hasPrefix(name) {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return words.count > 1 ? (Int(words[1]) ?? 0) << 10 : 0
        }
        return 0
    }
}

/// A whole file of /proc, as far as it is text.
enum FileText {
    static func read(_ path: String) -> String {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, $0.count) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }
}

/// Collects rows, and rewrites the file that HOSTILE_TABLE names after each.
final class HostileReport: Sendable {
    static let shared = HostileReport()
    private let rows = Mutex<[String]>([])

    func add(_ test: HostileCase, _ how: String, _ took: Duration, _ growth: Int) {
        let milliseconds = took.milliseconds
        let row =
            "| \(test.name) | \(test.refuser.rawValue) | \(how) | \(milliseconds) |"
            + " \(growth >> 10) |"
        let lines = rows.withLock { rows in
            rows.append(row)
            return rows
        }
        guard let path = getenv("HOSTILE_TABLE") else { return }
        let text =
            """
            # Hostile input

            Written by `make hostile-table`: a debug build, one process that holds the server, a job
            of three ranks that exchanges checked data all the time and ends right in every row, and
            the attacker. Milliseconds are those of the whole attack; KiB is by how much the peak
            of the process's memory grew meanwhile, the attacker's own included.
            \(lines.count) rows.

            | case | refused by | how | ms | KiB |
            |---|---|---|---:|---:|

            """ + lines.joined(separator: "\n") + "\n"
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        guard file >= 0 else { return }
        _ = text.withCString { write(file, $0, strlen($0)) }
        close(file)
    }
}
