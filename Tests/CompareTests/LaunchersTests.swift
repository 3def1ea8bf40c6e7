// How a job of several processes ends, and that nothing of it is left. The programs are shell
// scripts: the launcher must not care what it starts.
import Foundation
import Processes
import Testing

@testable import Launchers

/// Everything that starts processes runs one after the other: signals belong to the process.
@Suite("Processes", .serialized)
enum ProcessTests {}

extension ProcessTests {
    @Suite("Jobs")
    struct Jobs {
        @Test("every rank's lines arrive whole, with its rank and stream")
        func lines() throws {
            var job = ShellJob()
            job.ranks(3) { "echo out $0 of rank \($0); printf 'no newline' >&2" }
            let (end, lines) = try job.run()
            #expect(end == .success)
            for rank in 0..<3 {
                #expect(lines.contains { $0.rank == rank && $0.stream == .standardOutput })
                #expect(
                    lines.contains(
                        OutputLine(rank: rank, stream: .standardError, text: "no newline")))
            }
            #expect(lines.count == 6)
        }

        @Test("much output is neither lost nor mixed")
        func muchOutput() throws {
            var job = ShellJob()
            job.ranks(3) { "seq -f 'rank \($0) line %.0f' 1 20000" }
            let (end, lines) = try job.run()
            #expect(end == .success)
            for rank in 0..<3 {
                let own = lines.filter { $0.rank == rank }.map(\.text)
                #expect(own.count == 20_000)
                #expect(own.last == "rank \(rank) line 20000")
            }
        }

        @Test("the first failing exit code is returned, and the others are ended")
        func firstFailure() throws {
            var job = ShellJob()
            job.ranks(3) { $0 == 1 ? "sleep 0.2; exit 42" : "sleep 60" }
            let start = ContinuousClock.now
            let (end, _) = try job.run()
            #expect(end == .failed(exitCode: 42, rank: 1))
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(job.processesLeft() == 0)
        }

        @Test("a process killed by a signal fails the job with 128 plus its number")
        func killedProcess() throws {
            var job = ShellJob()
            job.ranks(2) { $0 == 0 ? "sleep 60" : "kill -s KILL $$" }
            let (end, _) = try job.run()
            #expect(end == .failed(exitCode: 137, rank: 1))
            #expect(job.processesLeft() == 0)
        }

        @Test("a process that ignores TERM is killed after the grace period")
        func stubborn() throws {
            var job = ShellJob()
            job.options.grace = .milliseconds(300)
            job.ranks(2) { $0 == 0 ? "trap '' TERM; sleep 60; sleep 60" : "sleep 0.2; exit 3" }
            let (end, _) = try job.run()
            #expect(end.exitCode == 3)
            #expect(job.processesLeft() == 0)
        }

        @Test("a stopped process is ended too")
        func stopped() throws {
            var job = ShellJob()
            job.ranks(2) { $0 == 0 ? "kill -s STOP $$" : "sleep 0.2; exit 3" }
            let (end, _) = try job.run()
            #expect(end.exitCode == 3)
            #expect(job.processesLeft() == 0)
        }

        @Test("background processes of a successful program are not left behind")
        func background() throws {
            var job = ShellJob()
            // One stays in the group, one leaves it, as mpirun's ranks do (bash's job control
            // needs no terminal).
            job.ranks(2) { _ in "sleep 60 & exec bash -c 'set -m; sleep 60 & exit 0'" }
            let (end, _) = try job.run()
            #expect(end == .success)
            #expect(job.processesLeft() == 0)
        }

        @Test("a job that takes too long is ended with exit code 124")
        func timeout() throws {
            var job = ShellJob()
            job.options.timeout = .milliseconds(300)
            job.ranks(2) { _ in "sleep 60" }
            let (end, _) = try job.run()
            #expect(end == .timedOut)
            #expect(end.exitCode == 124)
            #expect(job.processesLeft() == 0)
        }

        @Test("ranks read nothing from the terminal and get their variables")
        func inputAndVariables() throws {
            var job = ShellJob()
            job.ranks(1) { _ in "cat; echo \"$GREETING\"" }
            job.plans[0].environment["GREETING"] = "good morning"
            let (end, lines) = try job.run()
            #expect(end == .success)
            #expect(lines.map(\.text) == ["good morning"])
        }

        @Test("a program that cannot be started leaves none of the others running")
        func missingProgram() throws {
            var job = ShellJob()
            job.ranks(2) { _ in "sleep 60" }
            job.plans.append(ProcessPlan(executable: "/nonexistent/program", arguments: []))
            #expect(throws: LaunchError.self) { try job.run() }
            #expect(job.processesLeft() == 0)
        }
    }
}

@Suite("Labelled output of mpirun")
struct TaggedOutputTests {
    @Test("lines are put together from pieces of several ranks, wherever they are cut")
    func pieces() {
        let text =
            "[1,0]<stdout>:AAA[1,1]<stdout>:hello\n[1,0]<stdout>:BBB\nmpirun speaks\n"
            + "[prterun-host-7@1,12]<stderr>:x [1,2] y\n"
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            var output = TaggedOutput()
            var lines = output.add(bytes[..<cut])
            lines += output.add(bytes[cut...])
            lines += output.finish()
            let found = lines.map { "\($0.rank.map(String.init) ?? "-"):\($0.text)" }
            #expect(
                found == ["1:hello", "0:AAABBB", "-:mpirun speaks", "12:x [1,2] y"], "cut \(cut)")
        }
    }

    @Test("a line without an end is handed over in bounded pieces")
    func endless() {
        var splitter = LineSplitter()
        var pieces = 0
        for _ in 0..<64 { pieces += splitter.add(Array(repeating: 65, count: 4096)[...]).count }
        #expect(pieces == 64 * 4096 / LineSplitter.lengthMax)
        #expect(splitter.finish() == nil)
    }
}

/// Shell scripts as the ranks of a job, marked so that survivors can be counted.
struct ShellJob {
    var plans: [ProcessPlan] = []
    var options = JobOptions()
    private let mark = "compare-test-\(UUID().uuidString)"

    mutating func ranks(_ count: Int, _ script: (Int) -> String) {
        for rank in 0..<count {
            plans.append(
                ProcessPlan(
                    executable: "/bin/sh", arguments: ["-c", script(rank)],
                    environment: ["COMPARE_TEST_MARK": mark], rank: rank))
        }
        if options.timeout == nil { options.timeout = .seconds(30) }
    }

    func run() throws -> (JobEnd, [OutputLine]) {
        var lines: [OutputLine] = []
        let end = try runJob(plans, options) { lines.append($0) }
        return (end, lines)
    }

    func processesLeft() -> Int { countProcesses(marked: mark) }
}

/// Living processes that have `mark` in their environment.
func countProcesses(marked mark: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.count { name in
        guard Int(name) != nil,
            let environment = FileManager.default.contents(atPath: "/proc/\(name)/environ")
        else { return false }
        return environment.range(of: Data(mark.utf8)) != nil
    }
}
