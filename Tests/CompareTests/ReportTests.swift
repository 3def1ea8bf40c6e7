// The table, the stable JSON names, and the detection of answers that differ.
import CompactJSON
import Records
import Report
import Testing

@Suite("Report")
struct ReportTests {
    @Test("the JSON line of a run has the promised names")
    func stableNames() {
        let json = record("serverless-tls", ranks: 2, seconds: [2, 1, 4]).json
        let promised = [
            "workload", "environment", "mode", "ranks", "rows", "iterations", "seconds_median",
            "seconds_min", "setup_seconds", "compute_seconds", "communication_seconds", "bytes",
            "output_rows", "checksum", "oversubscribed", "encryption", "dollars",
        ]
        for name in promised { #expect(json[name] != nil, "\(name) is missing") }
        #expect(json["error"] == nil)
        #expect(json["seconds_median"] == .number(2))
        #expect(json["seconds_min"] == .number(1))
        #expect(json["iterations"] == .integer(3))
        #expect(json["encryption"] == .string("on"))
        #expect(JSONValue(parsing: json.description) == json)
    }

    @Test("a failed run has an error instead of figures")
    func failedRun() {
        var failed = record("openmpi", ranks: 2, seconds: [])
        failed.error = "rank 1: out of luck"
        #expect(failed.json["error"] == .string("rank 1: out of luck"))
        for name in ["seconds_median", "dollars", "checksum"] { #expect(failed.json[name] == nil) }
        #expect(renderRuns([failed], agrees: true).isEmpty)
    }

    @Test("compute and communication add up to the median")
    func splitAddsUp() {
        let run = record("threads", ranks: 2, seconds: [3, 1, 2, 7])
        #expect(run.secondsMedian == 2.5)
        #expect(abs(run.computeSeconds + run.communicationSeconds - 2.5) < 1e-12)
        #expect(median([]) == 0)
    }

    @Test("the table fits into 100 columns, all lines of it equally wide")
    func tableWidth() {
        var runs: [RunRecord] = []
        for environment in ["threads", "openmpi-tcp", "serverless-tls"] {
            for ranks in [1, 2, 16] {
                var run = record(environment, ranks: ranks, seconds: [64.125 / Double(ranks)])
                run.setupSeconds = [10.25]
                run.result?.outputRows = 323_532_114
                run.iterations[0].bytes = 11_647_000_000
                runs.append(run)
            }
        }
        let lines = renderRuns(runs, agrees: true)
        for line in lines { #expect(line.count <= 100, "\(line.count): \(line)") }
        let table = lines.filter { $0.contains("━") || $0.contains("✓") }
        #expect(table.count == 9 + 2)
        #expect(Set(table.map(\.count)).count == 1)
        #expect(lines.contains { $0.contains("16*") })
        #expect(lines.contains { $0.contains("oversubscribed") })
        #expect(lines.contains { $0.contains("2.00×") && $0.contains("100%") })
    }

    @Test("scaling is measured against the fewest ranks of the same environment")
    func scaling() {
        let one = record("threads", ranks: 1, seconds: [8])
        let four = record("threads", ranks: 4, seconds: [2.5])
        let other = record("openmpi", ranks: 1, seconds: [1])
        #expect(Scaling(four, among: [other, one, four])?.speedUp == 3.2)
        #expect(Scaling(four, among: [other, one, four])?.efficiency == 0.8)
        // Without one rank, the smallest number counts as perfectly efficient.
        let two = record("threads", ranks: 2, seconds: [4])
        #expect(Scaling(two, among: [two, four])?.efficiency == 1)
        #expect(Scaling(four, among: [two, four])?.efficiency == 0.8)
        // Weak: four times the work in 10/8 of the time.
        var weakOne = one
        var weakFour = record("threads", ranks: 4, seconds: [10])
        weakOne.mode = "weak"
        weakFour.mode = "weak"
        #expect(Scaling(weakFour, among: [weakOne, weakFour])?.efficiency == 0.8)
        #expect(Scaling(weakFour, among: [weakOne, weakFour])?.speedUp == 3.2)
    }

    @Test("numbers are written as people read them")
    func numbers() {
        #expect(fixed(1234.5678, 2) == "1234.57")
        #expect(fixed(0.0005, 3) == "0.001")
        #expect(fixed(-0.05, 1) == "-0.1")
        #expect(fixed(-0.0004, 2) == "0.00")
        #expect(fixed(7, 0) == "7")
        #expect(fixed(.infinity, 1) == "–")
        #expect(grouped(10_111_764) == "10 111 764")
        #expect(grouped(-999) == "-999")
        #expect(grouped(1000) == "1 000")
        #expect(bar(1, cells: 5) == "█████")
        #expect(bar(0.5, cells: 5) == "██▌")
        #expect(bar(0, cells: 5) == "▏")
    }

    @Test("prices are modelled, per rank and second")
    func prices() {
        let lambda = Price(environment: "serverless", ranks: 64, seconds: 10)
        #expect(abs(lambda.dollars - 64 * (10 * 1769.0 / 1024 * 1.66667e-5 + 2e-7)) < 1e-9)
        let server = Price(environment: "openmpi", ranks: 4, seconds: 3600)
        #expect(abs(server.dollars - 0.192) < 1e-12)
        // Two functions of six processors, three ranks in each.
        let packed = Price(
            environment: "lambda-local", ranks: 6, seconds: 10, functions: (2, 10_240))
        #expect(abs(packed.dollars - 2 * (100 * 1.66667e-5 + 2e-7)) < 1e-9)
        #expect(packed.model == "modelled: AWS Lambda, 2 functions of 10240 MB")
        for price in [lambda, server, packed] { #expect(price.model.hasPrefix("modelled")) }
    }
}

@Suite("Agreement")
struct AgreementTests {
    private let runs = ["threads", "openmpi", "serverless"].flatMap { environment in
        [1, 2].map { record(environment, ranks: $0, seconds: [1]) }
    }

    @Test("equal answers are no disagreement")
    func agreement() {
        #expect(findDisagreements(runs, acrossRanks: true).isEmpty)
        #expect(findDisagreements([], acrossRanks: true).isEmpty)
    }

    @Test("the one run with another checksum is named, wherever it stands", arguments: 0..<6)
    func checksum(position: Int) {
        var runs = runs
        runs[position].result?.checksum = "00000000deadbeef"
        let found = findDisagreements(runs, acrossRanks: true)
        #expect(found.count == 1)
        #expect(found.first?.description.hasPrefix(runs[position].label) == true, "\(found)")
        #expect(found.first?.description.contains("00000000deadbeef") == true)
    }

    @Test("another number of rows is named")
    func rows() {
        var runs = runs
        runs[3].result?.outputRows = 7
        let found = findDisagreements(runs, acrossRanks: true)
        #expect(found.map(\.description).joined().contains("openmpi × 2"), "\(found)")
        #expect(found.map(\.description).joined().contains("7 output rows"), "\(found)")
    }

    @Test("in weak mode only equal numbers of ranks must agree")
    func weak() {
        var runs = runs
        for index in runs.indices where runs[index].ranks == 2 {
            runs[index].result?.checksum = "2222222222222222"
        }
        #expect(findDisagreements(runs, acrossRanks: false).isEmpty)
        #expect(!findDisagreements(runs, acrossRanks: true).isEmpty)
        runs[5].result?.checksum = "3333333333333333"
        #expect(findDisagreements(runs, acrossRanks: false).count == 1)
    }

    @Test("floats may differ in the last digits, exact cells not at all")
    func tables() {
        func table(_ mean: Double, _ count: Int) -> [ResultTable] {
            [
                ResultTable(
                    name: "delay", columns: ["mean", "count"],
                    rows: [[.number(mean), .integer(count)]])
            ]
        }
        func found(_ mean: Double, _ count: Int) -> [Disagreement] {
            var runs = runs
            for index in runs.indices { runs[index].result?.tables = table(1.5, 3) }
            runs[4].result?.tables = table(mean, count)
            return findDisagreements(runs, acrossRanks: true)
        }
        #expect(found(1.5 * (1 + 1e-12), 3).isEmpty)
        #expect(found(1.5 * (1 + 1e-8), 3).count == 1)
        #expect(found(1.5, 4).first?.description.contains("row 1, count: 4 and 3") == true)
        #expect(found(.nan, 3).count == 1)
    }

    @Test("failed runs are not compared")
    func failures() {
        var runs = runs
        runs[2].error = "killed"
        runs[2].result = nil
        #expect(findDisagreements(runs, acrossRanks: true).isEmpty)
    }
}

/// A run with made-up figures.
func record(_ environment: String, ranks: Int, seconds: [Double]) -> RunRecord {
    var record = RunRecord(
        workload: "join", environment: environment, mode: "strong", ranks: ranks, rows: 1000,
        encryption: environment.hasSuffix("tls") ? "on" : "none", oversubscribed: ranks > 2)
    record.setupSeconds = [0.01]
    record.iterations = seconds.map {
        WorkerIteration(
            seconds: $0, computeSeconds: $0 * 0.75, communicationSeconds: $0 * 0.25, bytes: 4096)
    }
    record.result = WorkerResult(outputRows: 1111, checksum: "0123456789abcdef", tables: [])
    return record
}
