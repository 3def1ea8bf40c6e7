// The conformance suite on every backend and number of ranks.

import Testing

@Suite("The conformance suite", .serialized)
struct SuiteTests {
    @Test(
        "passes on every backend with every number of ranks",
        arguments: Backend.available.flatMap { backend in
            backend.suiteRanks.map { (backend: backend, ranks: $0) }
        })
    func passes(_ job: (backend: Backend, ranks: Int)) {
        let outcome = job.backend.run(
            ranks: job.ranks, timeoutSeconds: job.backend.suiteTimeoutSeconds)
        expectAllPassed(outcome, "\(job.backend), \(job.ranks) ranks")
    }

    @Test(
        "passes over links, Redis and S3 at once, and takes all of them",
        .enabled(
            if: Installation.find("redis-server") != nil && Backend.s3Moto.isAvailable,
            "redis-server or moto_server is missing: scripts/setup --tests"),
        arguments: [
            ["--channels", "sizes:direct@0,redis@1024,s3@65536"],
            ["--channels", "sizes:relayed@0,redis@1024,s3@65536", "--candidates", "relayed"],
        ].prefix(Installation.runsLongForms ? 2 : 1))
    func takesEveryChannel(_ options: [String]) {
        let command =
            [Installation.path("mpi-compare"), "launch", "-n", "3", "--environment", "serverless"]
            + options + ["--", Installation.path("conformance-serverless")]
        let outcome = ConformanceTests.run(command, timeoutSeconds: 240)
        let link = options.contains("relayed") ? "relayed" : "direct"
        // The program writes what went over each channel after its summary.
        let lines = outcome.output.split(separator: "\n")
        #expect(
            lines.contains { $0.hasSuffix(" passed, 0 failed") } && outcome.exitCode == 0,
            "\(options): \(outcome.report)")
        for channel in [link, "redis", "s3"] {
            let words = lines.last { $0.contains("channel \(channel):") }?.split(separator: " ")
            let counts = (words ?? []).compactMap { Int($0) }
            #expect(counts.count == 2 && counts[0] > 0, "\(channel): \(outcome.report)")
            #expect(
                channel == link || (counts.last ?? 0) > 0, "\(channel): \(outcome.report)")
        }
    }

    @Test("passes on as many ranks as choose trees")
    func manyRanks() {
        expectAllPassed(Backend.threads.run(ranks: 12), "threads, 12 ranks")
    }

    @Test(
        "passes topic by topic on S3 servers",
        arguments: Backend.available.filter { $0.s3Server != nil },
        ["selection", "prefix reductions"])
    func passesTopic(_ backend: Backend, topic: String) {
        let outcome = backend.run(ranks: 3, ["--only", topic])
        expectAllPassed(outcome, "\(backend), \(topic)", atLeast: 3)
    }

    @Test(
        "has every storage server to run against",
        .enabled(
            if: Backend.allCases.allSatisfy(\.isAvailable),
            "redis-server, ministack, moto_server or Open MPI is missing: scripts/setup --tests"))
    func everyBackend() {
        #expect(Backend.available == Backend.allCases)
    }

    @Test(
        "passes with another seed", arguments: Backend.quick)
    func otherSeed(_ backend: Backend) {
        let outcome = backend.run(ranks: 3, ["--only", "random", "--seed", "7"])
        expectAllPassed(outcome, "\(backend), seed 7", atLeast: 3)
    }

    @Test("that runs no check is a failure", arguments: Backend.available)
    func nothingRun(_ backend: Backend) {
        let outcome = backend.run(ranks: 2, ["--only", "no check has this name"])
        #expect(outcome.exitCode != 0, "\(backend): \(outcome.report)")
        #expect(outcome.output.contains("0 passed, 0 failed"), "\(backend): \(outcome.report)")
    }

    @Test("refuses an argument it does not know, with one line that lists the scenarios")
    func unknownArgument() {
        let outcome = Backend.threads.run(ranks: 1, ["no-such-scenario"])
        #expect(outcome.exitCode != 0, "\(outcome.report)")
        #expect(outcome.errors.contains("early-exit"), "\(outcome.report)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.report)")
    }
}

/// Ended well, with checks passed, at least so many, and none failed.
func expectAllPassed(
    _ outcome: Outcome, _ what: String, atLeast: Int = 100,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let summary = outcome.output.split(separator: "\n").last { $0.contains(" passed, ") } ?? ""
    // Launchers put the rank before the line.
    let words = summary.split(separator: " ").suffix(4)
    let numbers = words.compactMap { Int($0) }
    let isGood = numbers.count == 2 && numbers[0] >= atLeast && numbers[1] == 0
    #expect(
        isGood && outcome.exitCode == 0, "\(what): \(outcome.report)",
        sourceLocation: sourceLocation)
}
