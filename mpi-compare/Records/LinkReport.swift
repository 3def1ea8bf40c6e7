// What a rank of worker-link prints, one JSON object on a line, for `nat-grid` and `mesh` to
// collect: when it started, when it was connected, and how.
import CompactJSON

public struct LinkReport: Sendable, Equatable {
    /// The link to one peer, as this rank sees it.
    public struct Link: Sendable, Equatable {
        public var peer: Int
        /// host, server-reflexive or relayed.
        public var path: String
        /// Did this rank's own dial make it?
        public var isDialled: Bool
        public var roundTripMicroseconds: Int
        public var connectMicroseconds: Int
        public var localAddress: String
        public var remoteAddress: String

        public init(
            peer: Int, path: String, isDialled: Bool, roundTripMicroseconds: Int,
            connectMicroseconds: Int, localAddress: String, remoteAddress: String
        ) {
            self.peer = peer
            self.path = path
            self.isDialled = isDialled
            self.roundTripMicroseconds = roundTripMicroseconds
            self.connectMicroseconds = connectMicroseconds
            self.localAddress = localAddress
            self.remoteAddress = remoteAddress
        }
    }

    public var rank: Int
    /// Times of the machine's monotonic clock: the entry of the process, the entry of the body, and
    /// when a message has gone both ways between this rank and every other.
    public var startedNanoseconds: Int
    public var usableNanoseconds: Int
    public var exchangedNanoseconds: Int
    public var links: [Link]

    public init(
        rank: Int, startedNanoseconds: Int, usableNanoseconds: Int, exchangedNanoseconds: Int,
        links: [Link]
    ) {
        self.rank = rank
        self.startedNanoseconds = startedNanoseconds
        self.usableNanoseconds = usableNanoseconds
        self.exchangedNanoseconds = exchangedNanoseconds
        self.links = links
    }
}

extension LinkReport {
    public var json: JSONValue {
        .object([
            JSONField("message", .string("links")),
            JSONField("rank", .integer(rank)),
            JSONField("started", .integer(startedNanoseconds)),
            JSONField("usable", .integer(usableNanoseconds)),
            JSONField("exchanged", .integer(exchangedNanoseconds)),
            JSONField("links", .array(links.map(\.json))),
        ])
    }

    /// The report that a line is; nil for any other line.
    public init?(line: String) {
        guard line.hasPrefix("{"), let json = JSONValue(parsing: line),
            json["message"] == .string("links"), let rank = json["rank"]?.integer,
            let started = json["started"]?.integer, let usable = json["usable"]?.integer,
            let exchanged = json["exchanged"]?.integer, case .array(let links)? = json["links"]
        else { return nil }
        self.init(
            rank: rank, startedNanoseconds: started, usableNanoseconds: usable,
            exchangedNanoseconds: exchanged, links: links.compactMap { Link(json: $0) })
    }
}

extension LinkReport.Link {
    var json: JSONValue {
        .object([
            JSONField("peer", .integer(peer)),
            JSONField("path", .string(path)),
            JSONField("dialled", .bool(isDialled)),
            JSONField("roundTrip", .integer(roundTripMicroseconds)),
            JSONField("connect", .integer(connectMicroseconds)),
            JSONField("local", .string(localAddress)),
            JSONField("remote", .string(remoteAddress)),
        ])
    }

    init?(json: JSONValue) {
        guard let peer = json["peer"]?.integer, case .string(let path)? = json["path"],
            case .bool(let isDialled)? = json["dialled"],
            let roundTrip = json["roundTrip"]?.integer, let connect = json["connect"]?.integer,
            case .string(let local)? = json["local"], case .string(let remote)? = json["remote"]
        else { return nil }
        self.init(
            peer: peer, path: path, isDialled: isDialled, roundTripMicroseconds: roundTrip,
            connectMicroseconds: connect, localAddress: local, remoteAddress: remote)
    }
}

extension [LinkReport] {
    /// From the last rank's start until every rank's links were usable; nil without reports.
    public var setUpMilliseconds: Double? {
        guard let started = map(\.startedNanoseconds).max(),
            let usable = map(\.usableNanoseconds).max()
        else { return nil }
        return Double(usable - started) / 1e6
    }

    /// The kind of path between two ranks: what the one who dialled says, as the other may have
    /// accepted a connection from an address that nobody announced.
    public func path(between left: Int, and right: Int) -> String? {
        func link(_ rank: Int, _ peer: Int) -> LinkReport.Link? {
            first { $0.rank == rank }?.links.first { $0.peer == peer }
        }
        let ends = [link(left, right), link(right, left)].compactMap(\.self)
        if ends.contains(where: { $0.path == "relayed" }) { return "relayed" }
        return (ends.first(where: \.isDialled) ?? ends.first)?.path
    }
}
