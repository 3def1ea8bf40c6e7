// Programs that end early, disagree, stall or fail, on every backend.

import Testing

@Suite("A job", .serialized)
struct ScenarioTests {
    // These sleep most of the time: all backends run at once.
    @Test("delivers what a rank sent before it left", arguments: [2, 4])
    func earlyExit(ranks: Int) {
        let outcomes = together(Backend.scenarios) {
            $0.run(ranks: ranks, ["early-exit"], timeoutSeconds: 60)
        }
        for (backend, outcome) in outcomes {
            #expect(outcome.exitCode == 0, "\(backend), \(ranks) ranks: \(outcome.report)")
            for rank in 1..<ranks {
                #expect(
                    outcome.output.contains("rank \(rank) received 65536 bytes"),
                    "\(backend), \(ranks) ranks: \(outcome.report)")
            }
        }
    }

    @Test(
        "whose ranks call different collectives fails on all of them, naming both calls",
        arguments: Backend.detectingMismatch,
        [
            ("mismatch-operation", ["allgather", "bcast"]),
            ("mismatch-root", ["bcast(root: 0)", "bcast(root: 2)"]),
            ("mismatch-count", ["allgather", "16", "24"]),
        ])
    func mismatch(_ backend: Backend, _ program: (scenario: String, names: [String])) {
        let outcome = backend.run(ranks: 3, [program.scenario], timeoutSeconds: 60)
        let what = "\(backend), \(program.scenario)"
        #expect(outcome.exitCode != 0, "\(what): \(outcome.report)")
        for rank in 0..<3 {
            let line =
                outcome.output.split(separator: "\n")
                .first { $0.contains("rank \(rank) got ") } ?? ""
            #expect(line.contains("mismatchedCollective"), "\(what): \(outcome.report)")
            for name in program.names {
                #expect(line.contains(name), "\(what), \(name): \(outcome.report)")
            }
        }
    }

    @Test(
        "moves messages of more elements than 31 bits count (make test-full)",
        .enabled(if: Installation.runsLongForms), arguments: Backend.unbounded)
    func beyondTwoGiB(_ backend: Backend) {
        let outcome = backend.run(ranks: 2, ["beyond-2-gib"], timeoutSeconds: 900)
        #expect(outcome.exitCode == 0, "\(backend): \(outcome.report)")
        for rank in 0..<2 {
            #expect(
                outcome.output.contains("rank \(rank) received \(1 << 31 + 4099) bytes twice"),
                "\(backend): \(outcome.report)")
        }
    }

    /// 10⁵ messages on each backend; 10⁷ in `make test-full`.
    @Test("survives random traffic of several threads", arguments: Backend.unbounded)
    func stress(_ backend: Backend) {
        let count = Installation.runsLongForms ? 10_000_000 : 100_000
        let outcome = backend.run(ranks: 3, ["stress", "\(count)"], timeoutSeconds: 3000)
        #expect(
            outcome.exitCode == 0 && outcome.output.contains("messages arrived as they were sent"),
            "\(backend): \(outcome.report)")
    }

    /// Payloads waiting are bounded by the credit, 64 MiB; what is known of each message beyond
    /// them (its envelope) is not, as a receive may ask for any of them.
    @Test("bounds the memory of messages that nobody has asked for")
    func flood() throws {
        let messages = 100_000
        let outcome = Backend.serverless.run(
            ranks: 8, ["flood", "\(messages)"], timeoutSeconds: 300)
        #expect(outcome.exitCode == 0, "\(outcome.report)")
        let line = try #require(
            outcome.output.split(separator: "\n").first { $0.contains(" messages took ") })
        let growth = try #require(
            line.split(separator: " ").dropLast().last.flatMap { Int($0) })
        let envelopes = 7 * messages * 256
        #expect(growth < 64 << 20 + envelopes, "\(line)")
    }

    /// 256 MiB each way; 2 GiB in `make test-full`, for which two ranks need 8 GiB.
    @Test("exchanges large buffers with hardly any memory beside them", arguments: [2, 4])
    func peak(ranks: Int) throws {
        let mebibytes = Installation.runsLongForms && ranks == 2 ? 2048 : 256
        let outcome = Backend.serverless.run(
            ranks: ranks, ["peak", "\(mebibytes)"], timeoutSeconds: 300)
        #expect(outcome.exitCode == 0, "\(outcome.report)")
        let line = try #require(
            outcome.output.split(separator: "\n").first { $0.contains("bytes each way took") })
        let growth = try #require(
            line.split(separator: " ").dropLast(2).last.flatMap { Int($0) }, "\(line)")
        #expect(growth < 64 << 20, "\(line)")
    }

    @Test("waits for a rank that computes in silence")
    func computeThenTalk() {
        let outcomes = together(Backend.scenarios) {
            $0.run(ranks: 3, ["compute-then-talk", "4"], timeoutSeconds: 60)
        }
        for (backend, outcome) in outcomes {
            #expect(outcome.exitCode == 0, "\(backend): \(outcome.report)")
            for rank in 0..<3 {
                #expect(
                    outcome.output.contains("rank \(rank) talked to 3 ranks"),
                    "\(backend): \(outcome.report)")
            }
        }
    }

    @Test(
        "ends on all ranks, with the cause, when one throws", arguments: Backend.scenarios, [0, 2])
    func oneFails(_ backend: Backend, rank: Int) {
        let outcome = backend.run(ranks: 3, ["fail", "\(rank)"], timeoutSeconds: 60)
        #expect(outcome.exitCode != 0 && !outcome.timedOut, "\(backend): \(outcome.report)")
        // The rank itself, or one that heard of it first, says why.
        #expect(
            outcome.errors.contains("fail: programFailed: rank \(rank) was told to fail"),
            "\(backend): \(outcome.report)")
    }

    @Test("that runs for ever ends when it is told to")
    func hangAround() {
        let outcomes = together(Backend.scenarios) {
            $0.run(ranks: 3, ["hang-around"], timeoutSeconds: 60, lastingLineCount: 3)
        }
        for (backend, outcome) in outcomes {
            #expect(outcome.timedOut, "\(backend): \(outcome.report)")
            // Every rank named its process; none of them is left.
            let processes = outcome.output.split(separator: "\n")
                .compactMap { $0.split(separator: " ").last }.compactMap { Int32($0) }
            #expect(processes.count == 3, "\(backend): \(outcome.report)")
            for process in Set(processes) {
                #expect(isGone(process), "\(backend): process \(process) is left")
            }
        }
    }
}
