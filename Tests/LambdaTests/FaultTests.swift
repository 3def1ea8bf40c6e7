// Jobs of functions when the service has its accidents: never a wrong result, never a hang, every
// invocation ends, and the cause is named. Once each; twenty times each with TEST_FULL=1.
import Foundation
import CompactJSON
import LambdaEmulator
import Launchers
import Processes
import Testing

extension LambdaTests {
    @Suite("Accidents")
    struct Accidents {
        private static let ranks = 4
        private static let repetitions = Built.isFull ? 20 : 1

        /// An accident, and what must come of it.
        struct Case: Sendable, CustomTestStringConvertible {
            var name: String
            var faults: [Fault]
            /// In the error; nil if the job must succeed.
            var words: [String]?
            var restarts = 0
            /// The epoch, or epochs, in which it may succeed.
            var epochs: ClosedRange<UInt64> = 0...0
            var concurrency = 6
            var joinTimeoutSeconds = 20
            var timeoutSeconds = 30
            /// What the ranks do: a join takes well under a second.
            var rows = 20_000
            var iterations = 1
            var testDescription: String { name }
        }

        /// Long enough for an accident in the middle of it.
        static func long(_ name: String, _ faults: [Fault], _ words: [String]?) -> Case {
            Case(name: name, faults: faults, words: words, rows: 400_000, iterations: 20)
        }

        static let cases: [Case] = [
            Case(name: "no accident", faults: [], words: nil),
            duplicate,
            long(
                "crash before the answer",
                [Fault(.crashBeforeResponse(after: .milliseconds(200)), rank: 1)],
                ["rank 1", "Runtime.ExitError", "killed"]),
            Case(
                name: "crash after the answer", faults: [Fault(.crashAfterResponse, rank: 1)],
                words: nil),
            retry, zombie,
            long(
                "freeze",
                [Fault(.freeze(after: .milliseconds(200), lasting: .seconds(6)), rank: 3)],
                ["rank 3", "peerLost"]),
            deadline,
            Case(
                name: "lost answer", faults: [Fault(.lostResponse, rank: 2)],
                words: ["rank 2", "Launcher.Lost"]),
            Case(
                name: "half of the ranks throttled",
                faults: [
                    Fault(.throttle, rank: 1, count: 3), Fault(.throttle, rank: 3, count: 3),
                ], words: nil),
        ]

        /// Either sandbox may be first to claim the rank. If it is the one whose answer nobody gets,
        /// the launcher's own says so, and the job takes another epoch, although it may not restart.
        private static var duplicate: Case {
            var duplicate = Case(
                name: "duplicate delivery", faults: [Fault(.duplicateEvent, rank: 2)], words: nil)
            duplicate.epochs = 0...1
            return duplicate
        }

        /// A rank fails, and the whole job runs again in the next epoch.
        private static var retry: Case {
            var retry = long(
                "retry of a failed rank",
                [Fault(.crashBeforeResponse(after: .milliseconds(200)), rank: 1)], nil)
            retry.restarts = 1
            retry.epochs = 1...1
            return retry
        }

        /// The event of one rank comes when its epoch is over and the next one runs.
        private static var zombie: Case {
            var zombie = Case(
                name: "zombie of an older epoch",
                faults: [Fault(.lateEvent(by: .seconds(6)), rank: 2)], words: nil)
            zombie.restarts = 1
            zombie.epochs = 1...1
            zombie.joinTimeoutSeconds = 2
            return zombie
        }

        private static var deadline: Case {
            var deadline = long("deadline", [], ["timedOut", "the time limit of its function"])
            deadline.timeoutSeconds = 3
            deadline.iterations = 10_000
            return deadline
        }

        @Test("every accident ends as it must", arguments: cases)
        func accident(_ one: Case) throws {
            for repetition in 1...Self.repetitions {
                try check(one, repetition)
            }
        }

        private func check(_ one: Case, _ repetition: Int) throws {
            let log = Lines()
            var options = LambdaOptions()
            options.concurrency = one.concurrency
            options.restarts = one.restarts
            options.joinTimeoutSeconds = one.joinTimeoutSeconds
            options.timeoutSeconds = one.timeoutSeconds
            let session = try LambdaSession(
                emulating: Built.worker, ranks: Self.ranks, options
            ) { log.add($0) }
            defer { session.stop() }
            session.arrange(one.faults)
            let job = LambdaJob(
                ranks: Self.ranks,
                arguments: [
                    "--workload", "join", "--rows", "\(one.rows)", "--iterations",
                    "\(one.iterations)",
                ])
            let start = ContinuousClock.now
            var seen = ""
            do throws(LambdaFailure) {
                let run = try session.run(job)
                #expect(one.words == nil, "\(one.name) \(repetition): the job succeeded")
                #expect(one.epochs.contains(run.epoch), "\(one.name) \(repetition)")
                let result = run.ranks.first?.value.array?.last
                #expect(
                    result?["checksum"]?.string == Self.expected[one.rows],
                    "\(one.name) \(repetition): \(String(describing: result))")
                seen = "epoch \(run.epoch), the right result"
            } catch {
                let text = error.details.joined(separator: " | ")
                #expect(one.words != nil, "\(one.name) \(repetition): \(text)")
                for words in one.words ?? [] {
                    #expect(
                        error.description.contains(words),
                        "\(one.name) \(repetition): no \(words) in \(text)")
                }
                seen = error.description
            }
            let took = ContinuousClock.now - start
            // Every invocation ends, those that nobody waits for included.
            #expect(settles(session), "\(one.name) \(repetition): invocations that do not end")
            let secrets = log.all.filter { $0.contains("SERVER_KEY") || $0.contains("PEER_SECRET") }
            #expect(secrets.isEmpty, "secrets in the log")
            if one.name.hasPrefix("duplicate") {
                #expect(log.wait(for: "MPI.duplicateRank"), "\(repetition): \(log.all)")
            }
            if one.name.hasPrefix("zombie") {
                #expect(log.wait(for: "MPI.staleEpoch"), "\(repetition): \(log.all)")
            }
            if Built.isFull {
                print("fault \(one.name) \(repetition) ended in \(took): \(seen)")
            }
        }

        private func settles(_ session: LambdaSession) -> Bool {
            let limit = ContinuousClock.now + .seconds(30)
            while session.runningInvocations > 0 {
                if ContinuousClock.now > limit { return false }
                usleep(10_000)
            }
            return true
        }

        /// Of the same join on one rank alone, by rows.
        private static let expected: [Int: String] = {
            var expected: [Int: String] = [:]
            for rows in [20_000, 400_000] {
                let arguments = ["--workload", "join", "--rows", "\(rows)"]
                guard
                    let result = try? runCommand([Built.path("worker-serverless")] + arguments),
                    let line = result.output.split(separator: "\n").last,
                    let checksum = JSONValue(parsing: String(line))?["checksum"]?.string
                else { continue }
                expected[rows] = checksum
            }
            return expected
        }()
    }
}
