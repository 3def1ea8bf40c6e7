// Jobs that the user or the system ends: nothing of them may stay on the machine.

import Foundation
import Testing

extension FaultTests {
    @Suite("Ending")
    struct EndingFaults {
        static let environments =
            ["threads", "serverless", "serverless-tls"]
            + (Machine.hasMPI ? ["openmpi", "openmpi-tcp"] : [])

        @Test(
            "launch ended by a signal leaves no process, port or file",
            arguments: environments, [SIGINT, SIGTERM, SIGKILL])
        func launch(environment: String, signal: Int32) throws {
            let what = "\(environment), signal \(signal)"
            let job = try launchHangingAround(environment, ranks: 3)
            let traces = Traces(of: job)
            #expect(traces.processCount > (environment == "threads" ? 1 : 3), "\(what)")
            if environment.hasPrefix("serverless") { #expect(traces.portCount > 0, "\(what)") }
            let start = ContinuousClock.now
            job.send(signal)
            #expect(try job.end() == 128 + signal, "\(what): \(job.report)")
            let left = traces.left()
            #expect(left == [], "\(what): \(job.report)")
            note("launch, \(what), \(traces.description), gone after", since: start)
        }

        @Test(
            "run ended by a signal leaves no process, port or file",
            arguments: environments.filter { !$0.contains("-") }, [SIGINT, SIGTERM, SIGKILL])
        func run(environment: String, signal: Int32) throws {
            let what = "\(environment), signal \(signal)"
            let job = try StartedProgram(
                "mpi-compare",
                [
                    "run", "--environments", environment, "--ranks", "2", "--rows", "20000",
                    "--iterations", "1000000",
                ])
            // The progress line shows that the workers are at work.
            let isRunning = eventually(40) { job.errors.contains("repetition") || job.hasEnded }
            #expect(isRunning && !job.hasEnded, "\(what): \(job.report)")
            let traces = Traces(of: job)
            job.send(signal)
            #expect(try job.end() == 128 + signal, "\(what): \(job.report)")
            #expect(traces.left() == [], "\(what): \(job.report)")
        }

        @Test("a job that fails by itself leaves no process or file", arguments: environments)
        func failure(environment: String) throws {
            let backend = String(environment.prefix { $0 != "-" })
            let job = try StartedProgram(
                "mpi-compare",
                [
                    "launch", "-n", "3", "--environment", environment, "--",
                    Machine.path("conformance-\(backend)"), "fail", "1",
                ])
            let traces = Traces(of: job)
            #expect(try job.end() == 1, "\(environment): \(job.report)")
            #expect(job.errors.contains("rank 1 was told to fail"), "\(environment): \(job.report)")
            #expect(traces.left() == [], "\(environment): \(job.report)")
        }
    }
}
