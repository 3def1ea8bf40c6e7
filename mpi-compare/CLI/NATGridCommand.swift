// `mpi-compare nat-grid`: every kind of home against every other, path taken, success rate, time.
import ArgumentParser
import Lab
import Launchers
import Processes
import Report
import Workloads

struct NATGridCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nat-grid",
        abstract: "Connect two ranks across every pair of NATs, and say how and how fast.",
        discussion: """
            Builds one laboratory with two hosts of every kind and starts two ranks per try, in \
            turn on either side. The exit code is 0 only if every try of every cell succeeded by a \
            path as it is expected there.
            """)

    @Option(help: "Tries of each cell; a cell ends early after three failures in a row.")
    var tries = 5

    @Option(
        help: ArgumentHelp(
            "Kinds of home and special pairs.",
            discussion: "Comma-separated, from: \(GridCell.places.joined(separator: ", "))."))
    var kinds = GridCell.places.joined(separator: ",")

    @Option(help: "on or none: are connections between ranks encrypted?")
    var encryption = "on"

    @Option(help: "Seconds in which two ranks must be connected.")
    var joinTimeout = 5.0

    @Option(help: "Also write the results to this file, as JSON lines.")
    var json: String?

    @OptionGroup var lines: LineOptions

    func run() throws {
        guard tries >= 1 else { throw UsageError("--tries \(tries): give a number of at least 1") }
        guard joinTimeout > 0 else {
            throw UsageError("--join-timeout \(joinTimeout): give seconds above 0")
        }
        let conditions = try lines.conditions()
        let places = try split(kinds, "kinds")
        for place in places where !GridCell.places.contains(place) {
            throw UsageError(
                "--kinds \(place): choose from \(GridCell.places.joined(separator: ", "))")
        }
        let cells = GridCell.all(unique(places), lines: conditions)
        var internet = Topologies.grid(cells)
        internet.lines = conditions
        let isEncrypted = try isEncryption(encryption)
        let jsonFile = try json.map { try JSONLinesFile($0) }
        let jobs = try LinkJobs(
            internet, isEncrypted: isEncrypted, joinTimeout: .seconds(joinTimeout))
        defer { jobs.close() }
        let (records, signal) = measure(cells, jobs)
        try jsonFile?.write(records.map(\.json))
        for line in renderGrid(records, isColoured: isColoured) { print(line) }
        let passed = records.count { $0.isAsExpected }
        print("nat-grid: \(passed) passed, \(records.count - passed) failed")
        if let signal { throw ExitCode(128 + signal) }
        if passed < records.count { throw ExitCode(1) }
    }

    private var isColoured: Bool {
        isTerminal(.standardOutput) && environmentVariable("NO_COLOR") == nil
    }

    /// One cell after the other; the cells so far if a signal comes.
    private func measure(_ cells: [GridCell], _ jobs: LinkJobs) -> ([GridRecord], Int32?) {
        let failuresMax = 3
        let progress = Progress(steps: cells.count)
        defer { progress.finish() }
        var records: [GridRecord] = []
        for (index, cell) in cells.enumerated() {
            progress.nextStep("\(cell.left) ↔ \(cell.right)")
            var record = GridRecord(
                cell: cell, encryption: encryption, delayMilliseconds: lines.delay)
            var failuresInARow = 0
            for number in 0..<tries where failuresInARow < failuresMax {
                let before = record.links.successes
                // The lower rank has other duties than the higher: each side takes its turn.
                let hosts = [cell.leftHost, cell.rightHost]
                let signal = jobs.run(
                    index * tries + number, on: number % 2 == 0 ? hosts : hosts.reversed(),
                    into: &record.links)
                if let signal { return (records, signal) }
                failuresInARow = record.links.successes > before ? 0 : failuresInARow + 1
            }
            records.append(record)
            progress.detail(
                "\(record.links.mainPath ?? "no path"), "
                    + "\(record.links.successes) of \(record.links.tries)")
        }
        return (records, nil)
    }
}
