// What only the real MPI has: a library to be linked, 32-bit counts, blocking calls without end.

import Testing

@Suite("SwiftMPI", .serialized)
struct OpenMPITests {
    @Test(
        "links the real MPI library where it is installed",
        .enabled(if: Installation.hasMPI, "openmpi-bin, libopenmpi-dev or pkg-config is missing"),
        arguments: ["conformance-openmpi", "worker-openmpi"])
    func linksMPI(_ program: String) {
        let libraries = Installation.libraries(program)
        #expect(
            libraries.contains("libmpi.so"),
            """
            \(program) is built without MPI though it is installed: SwiftPM takes the stub when \
            pkg-config is not on PATH during the build. \(libraries)
            """)
    }

    @Test(
        "is in no other backend's program",
        arguments: ["conformance-threads", "conformance-serverless", "worker-serverless"])
    func othersLinkNone(_ program: String) {
        let libraries = Installation.libraries(program)
        #expect(libraries.contains("libc.so") && !libraries.contains("libmpi"), "\(libraries)")
    }

    @Test(
        "without MPI says which packages to install", .disabled(if: Installation.runsMPI))
    func saysWhatToInstall() {
        let outcome = run([Installation.path("conformance-openmpi")], timeoutSeconds: 30)
        #expect(outcome.exitCode == 1, "\(outcome.report)")
        for package in ["libopenmpi-dev", "openmpi-bin", "pkg-config"] {
            #expect(outcome.errors.contains(package), "\(outcome.report)")
        }
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.report)")
    }

    @Test("runs alone, without mpirun", .enabled(if: Installation.runsMPI))
    func singleton() {
        let outcome = run([Installation.path("conformance-openmpi")], timeoutSeconds: 240)
        expectAllPassed(outcome, "alone")
    }

    @Test(
        "does the same beyond the largest count MPI takes", .enabled(if: Installation.runsMPI),
        arguments: [1, 3], ["1000", "7"])
    func largeCounts(ranks: Int, limit: String) {
        // Derived types of so few bytes are slow; the flood and the 64 MiB need no more proof.
        for topic in limit == "7" ? ["all-to-all", "gather", "scatter", "prefix"] : [""] {
            let outcome = Backend.openmpi.run(
                ranks: ranks, ["--only", topic], environment: ["SWIFTMPI_MAX_COUNT": limit])
            expectAllPassed(outcome, "limit \(limit), \(ranks) ranks, \(topic)", atLeast: 4)
        }
    }

    @Test(
        "does the same with a deadline, when calls do not block",
        .enabled(if: Installation.runsMPI),
        arguments: [1, 4])
    func deadline(ranks: Int) {
        let outcome = Backend.openmpi.run(ranks: ranks, environment: ["SWIFTMPI_TIMEOUT": "200"])
        expectAllPassed(outcome, "deadline, \(ranks) ranks")
    }

    @Test(
        "does the same where MPI is asked for less than threads need",
        .enabled(if: Installation.runsMPI), arguments: ["single", "funneled", "serialized"])
    func threadLevel(_ level: String) {
        let environment = ["SWIFTMPI_THREAD_LEVEL": level]
        let granted = Backend.openmpi.run(ranks: 2, ["thread-level"], environment: environment)
        #expect(granted.output.contains("granted: \(level)"), "\(granted.report)")
        for topic in ["point-to-point", "many exchanges", "all-to-all"] {
            let outcome = Backend.openmpi.run(
                ranks: 2, ["--only", topic], environment: environment)
            expectAllPassed(outcome, "\(level), \(topic)", atLeast: 1)
        }
    }

    @Test("past its deadline ends the job and says where", .enabled(if: Installation.runsMPI))
    func expiry() {
        let outcome = Backend.openmpi.run(
            ranks: 2, ["compute-then-talk", "20"], environment: ["SWIFTMPI_TIMEOUT": "2"],
            timeoutSeconds: 60)
        #expect(outcome.exitCode != 0, "\(outcome.report)")
        #expect(
            outcome.errors.contains("rank 0: allreduce: timedOut"), "\(outcome.report)")
    }

    @Test(
        "refuses settings that make no sense, with one line", .enabled(if: Installation.runsMPI),
        arguments: [
            ("SWIFTMPI_TIMEOUT", "soon"), ("SWIFTMPI_MAX_COUNT", "0"),
            ("SWIFTMPI_THREAD_LEVEL", "many"),
        ])
    func badSettings(_ setting: (name: String, value: String)) {
        let outcome = run(
            [Installation.path("conformance-openmpi")], environment: [setting.name: setting.value],
            timeoutSeconds: 30)
        #expect(outcome.exitCode == 1, "\(outcome.report)")
        #expect(outcome.errors.contains("\(setting.name) is \(setting.value)"), "\(outcome.report)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.report)")
    }

    @Test(
        "ends the job when a long message meets a short buffer", .enabled(if: Installation.runsMPI))
    func longTruncation() {
        let outcome = Backend.openmpi.run(ranks: 2, ["truncate"], timeoutSeconds: 60)
        #expect(outcome.exitCode != 0, "\(outcome.report)")
        #expect(
            outcome.errors.contains("recv: truncated, rank 0, tag 0"), "\(outcome.report)")
    }
}
