// Runs the checks on all ranks in step, and reports: a failure on any rank is one line from rank 0.

import Glibc
import MessagePassing

struct Suite {
    let world: any Communicator
    let backend: BackendTraits
    let options: Options

    init(_ world: any Communicator, _ backend: BackendTraits, _ options: Options) {
        self.world = world
        self.backend = backend
        self.options = options
    }

    func run() throws {
        // Reports travel apart from what they report on.
        let reports = try world.dup()
        let watchdog = world.rank == 0 ? Watchdog(limitSeconds: options.limitSeconds) : nil
        var passed = 0
        var failed = 0
        for (topic, checks) in topics {
            for check in checks where isSelected(check, topic) {
                watchdog?.begin(
                    line(
                        check, "still running after \(options.limitSeconds) s; some rank hangs"))
                let failures = try collect(failuresOf(check), over: reports)
                if world.rank == 0 {
                    if failures.isEmpty { passed += 1 } else { failed += 1 }
                    if !failures.isEmpty {
                        print(line(check, failures.joined(separator: "; ")))
                    }
                }
            }
        }
        watchdog?.end()
        guard world.rank == 0 else { return }
        print("\(passed) passed, \(failed) failed")
        fflush(nil)
        if failed > 0 || passed == 0 {
            throw MPIError(
                .programFailed, operation: "conformance",
                reason: "\(failed) checks failed on \(backend.name) with \(world.size) ranks")
        }
    }

    private func isSelected(_ check: Check, _ topic: String) -> Bool {
        guard let only = options.only else { return true }
        return check.name.contains(only) || topic.contains(only)
    }

    private func line(_ check: Check, _ failure: String) -> String {
        "FAILED \(check.name) [\(backend.name), \(world.size) ranks, seed \(options.seed)]: "
            + failure
    }

    /// What went wrong on this rank.
    private func failuresOf(_ check: Check) -> [String] {
        let expect = Expectations(seed: options.seed, backend)
        do {
            // Stray messages of a failed check cannot reach the next one.
            try check.program(try world.dup(), expect)
        } catch {
            expect.fail("threw \(error)")
        }
        return expect.failures
    }

    /// The failures of all ranks, at rank 0. All ranks learn whether there are any, so that one
    /// that lost its way waits here for the others.
    private func collect(
        _ failures: [String], over reports: any Communicator
    ) throws -> [String] {
        let anyFailed = try reports.allreduce(!failures.isEmpty, .logicalOr)
        if !anyFailed { return [] }
        let text = failures.prefix(3).map { "rank \(world.rank): \($0)" }.joined(separator: "; ")
        let texts = try reports.gatherv(Array(text.utf8).span, root: 0)
        return (0..<texts.parts)
            .map { String(decoding: texts[$0], as: UTF8.self) }
            .filter { !$0.isEmpty }
    }
}
