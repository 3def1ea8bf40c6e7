// Bad input and missing installations, as the user of a real multi-rank program and of
// `mpi-compare run` meets them.

import Foundation
import Testing

extension FaultTests {
    @Suite("Input")
    struct InputFaults {
        /// One thing wrong in the files of the flights workload.
        struct Flaw: Sendable, CustomTestStringConvertible {
            let testDescription: String
            let file: String
            /// What `old` becomes; nil removes the file.
            let old: String
            let new: String?
            /// What every rank's error names.
            let expected: [String]

            static let all = [
                Flaw(
                    "a ragged row", "flights.csv", "1,2,0", "1,2,0,7", ["flights.csv line 3"]),
                Flaw(
                    "an open quote", "planes.csv", "N2,BOEING", "N2,\"BOEING",
                    ["planes.csv line 3"]),
                Flaw("a missing file", "airlines.csv", "", nil, ["airlines.csv"]),
                Flaw("an empty file", "planes.csv", Files.planes, "", ["planes.csv"]),
                Flaw(
                    "a missing column", "airlines.csv", "carrier,name", "carier,name",
                    ["carrier", "carier"]),
                Flaw(
                    "a bad number", "flights.csv", "1,2,0", "1,2,zero", ["dep_delay"]),
            ]

            init(
                _ name: String, _ file: String, _ old: String, _ new: String?,
                _ expected: [String]
            ) {
                testDescription = name
                self.file = file
                self.old = old
                self.new = new
                self.expected = expected
            }
        }

        @Test(
            "a flaw in a CSV file is one named error on every serverless rank", arguments: Flaw.all)
        func flawedFile(_ flaw: Flaw) throws {
            let files = try Files(flaw)
            let job = try ServerlessJob(size: 3, program: "worker-serverless")
            try job.startAll(files.arguments)
            for rank in job.ranks {
                #expect(try rank.end() == 1, "\(flaw.testDescription): \(rank.report)")
                #expect(rank.errorLines.count == 1, "\(flaw.testDescription): \(rank.report)")
                for name in flaw.expected {
                    #expect(
                        rank.errors.contains(name), "\(flaw.testDescription): \(rank.report)")
                }
            }
        }

        @Test("run reports a flaw of the input in every environment, in one line each")
        func flawedRun() throws {
            let files = try Files(Flaw.all[0])
            let run = try StartedProgram(
                "mpi-compare",
                ["run", "--environments", "threads,serverless", "--ranks", "1,3"]
                    + files.arguments)
            #expect(try run.end() == 1, "\(run.report)")
            let failures = run.errorLines.filter { $0.hasPrefix("FAILED") }
            #expect(failures.count == 4, "\(run.report)")
            #expect(
                failures.allSatisfy { $0.contains("flights.csv line 3") }, "\(run.report)")
        }

        @Test("without mpirun run says what to install, and the other environments still run")
        func noOpenMPI() throws {
            let hidden = ["PATH": "/nonexistent"]
            let both = try StartedProgram(
                "mpi-compare",
                ["run", "--environments", "openmpi,threads", "--ranks", "1", "--rows", "1000"],
                variables: hidden)
            #expect(try both.end() == 0, "\(both.report)")
            let reason = both.output.split(separator: "\n").first { $0.contains("skipped openmpi") }
            #expect(reason?.contains("openmpi-bin libopenmpi-dev") ?? false, "\(both.report)")

            let alone = try StartedProgram(
                "mpi-compare", ["run", "--environments", "openmpi", "--ranks", "1"],
                variables: hidden)
            #expect(try alone.end() != 0, "\(alone.report)")
            #expect(alone.output.contains("skipped openmpi"), "\(alone.report)")
            #expect(alone.errorLines.count == 1, "\(alone.report)")
        }

        @Test(
            "more ranks than an environment holds are refused in one line before anything starts",
            arguments: ["threads", "serverless", "serverless-tls"])
        func tooManyRanks(environment: String) throws {
            let run = try StartedProgram(
                "mpi-compare", ["run", "--environments", environment, "--ranks", "1,99999"])
            #expect(try run.end() == 2, "\(run.report)")
            #expect(run.errorLines.count == 1, "\(run.report)")
            #expect(run.errors.contains("at most"), "\(run.report)")
            #expect(run.output.isEmpty, "\(run.report)")
        }
    }
}

/// A small copy of the flights workload's input, with one flaw.
private final class Files {
    static let flights = """
        month,day,dep_delay,arr_delay,carrier,tailnum,distance
        1,1,5,7,AA,N1,100
        1,2,0,,BB,N2,200
        1,3,-2,1,AA,N3,300

        """
    static let planes = "tailnum,manufacturer\nN1,AIRBUS\nN2,BOEING\n"
    static let airlines = "carrier,name\nAA,Air A\nBB,Air B\n"

    private let folder = URL(fileURLWithPath: "/tmp/fault-test-\(UUID().uuidString)")

    init(_ flaw: FaultTests.InputFaults.Flaw) throws {
        let data = folder.appendingPathComponent("nycflights13")
        try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
        let contents = [
            "flights.csv": Self.flights, "planes.csv": Self.planes, "airlines.csv": Self.airlines,
        ]
        for (name, text) in contents {
            var text = text
            if name == flaw.file {
                guard let new = flaw.new else { continue }
                text = text.replacingOccurrences(of: flaw.old, with: new)
            }
            try Data(text.utf8).write(to: data.appendingPathComponent(name))
        }
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var arguments: [String] { ["--workload", "flights", "--data", folder.path] }
}
