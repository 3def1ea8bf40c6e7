// The results of `nat-grid` and `mesh`, as records and as JSON lines.
import CompactJSON
import Lab
import Records

/// Links of one kind of job, tried several times.
public struct LinkTries: Sendable, Equatable {
    public private(set) var tries = 0
    /// From the last rank's start until all links were usable, of every try that succeeded.
    public private(set) var setUpMilliseconds: [Double] = []
    /// From the roster, which tells ranks of each other, until all links were proven and chosen.
    public private(set) var connectMilliseconds: [Double] = []
    /// How many links took each path.
    public private(set) var paths: [String: Int] = [:]
    /// Of single links: the kernel's round trip.
    public private(set) var roundTripMilliseconds: [Double] = []
    /// Why the last try that failed did.
    public private(set) var complaint: String?

    public init() {}

    public var successes: Int { setUpMilliseconds.count }

    public mutating func fail(_ complaint: String) {
        tries += 1
        self.complaint = complaint
    }

    /// - Parameter reports: of all ranks; a rank without a report makes the try a failure.
    public mutating func add(_ reports: [LinkReport], ranks: Int) {
        guard reports.count == ranks, let time = reports.setUpMilliseconds else {
            fail("\(reports.count) of \(ranks) ranks told how they are connected")
            return
        }
        tries += 1
        setUpMilliseconds.append(time)
        let links = reports.flatMap(\.links)
        connectMilliseconds.append(Double(links.map(\.connectMicroseconds).max() ?? 0) / 1e3)
        roundTripMilliseconds += links.map { Double($0.roundTripMicroseconds) / 1e3 }
        for left in 0..<ranks {
            for right in (left + 1)..<max(left + 1, ranks) {
                guard let path = reports.path(between: left, and: right) else { continue }
                paths[path, default: 0] += 1
            }
        }
    }

    /// The path that most links took; nil if there was none.
    public var mainPath: String? {
        paths.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    /// - Parameter milliseconds: those that `ms_*` tell.
    func fields(_ milliseconds: [Double]) -> [JSONField] {
        let figures = [
            ("ms_min", milliseconds.min()), ("ms_median", middle(milliseconds)),
            ("ms_max", milliseconds.max()), ("setup_ms_median", middle(setUpMilliseconds)),
            ("connect_ms_median", middle(connectMilliseconds)),
            ("rtt_ms_median", middle(roundTripMilliseconds)),
        ]
        let counts = paths.sorted { $0.key < $1.key }.map { JSONField($0.key, .integer($0.value)) }
        return [
            JSONField("path", mainPath.map { .string($0) } ?? .null),
            JSONField("tries", .integer(tries)), JSONField("successes", .integer(successes)),
        ] + figures.map { JSONField($0.0, $0.1.map { .number($0) } ?? .null) } + [
            JSONField("paths", .object(counts)),
            JSONField("failure", complaint.map { .string($0) } ?? .null),
        ]
    }
}

/// One cell of `nat-grid`.
public struct GridRecord: Sendable, Equatable {
    public var cell: GridCell
    public var links = LinkTries()
    public var encryption: String
    public var delayMilliseconds: Double

    public init(cell: GridCell, encryption: String, delayMilliseconds: Double) {
        self.cell = cell
        self.encryption = encryption
        self.delayMilliseconds = delayMilliseconds
    }

    /// Did every try succeed, by a path as it must be?
    public var isAsExpected: Bool {
        links.tries > 0 && links.successes == links.tries
            && cell.expectation.isMet(by: links.paths.keys)
    }

    public var json: JSONValue {
        .object(
            [JSONField("left", .string(cell.left)), JSONField("right", .string(cell.right))]
                + links.fields(links.connectMilliseconds) + [
                    JSONField("expected", .string(cell.expectation.rawValue)),
                    JSONField("as_expected", .bool(isAsExpected)),
                    JSONField("encryption", .string(encryption)),
                    JSONField("delay_ms", .number(delayMilliseconds)),
                ])
    }
}

/// One row of `mesh`.
public struct MeshRecord: Sendable, Equatable {
    public var topology: String
    public var ranks: Int
    public var encryption: String
    public var delayMilliseconds: Double
    public var links = LinkTries()

    public init(topology: String, ranks: Int, encryption: String, delayMilliseconds: Double) {
        self.topology = topology
        self.ranks = ranks
        self.encryption = encryption
        self.delayMilliseconds = delayMilliseconds
    }

    public var json: JSONValue {
        .object(
            [
                JSONField("topology", .string(topology)), JSONField("ranks", .integer(ranks)),
                JSONField("encryption", .string(encryption)),
                JSONField("delay_ms", .number(delayMilliseconds)),
            ] + links.fields(links.setUpMilliseconds))
    }
}

/// The median; nil where there is nothing.
func middle(_ values: [Double]) -> Double? { values.isEmpty ? nil : median(values) }
