// A timeline in the Trace Event format (Google 2016): one JSON object, times in microseconds, a row
// per rank.

import CompactJSON
import MessagePassing

struct TraceFile {
    let eventsByRank: [[Event]]
    /// Events per rank that there was no room for.
    let dropped: [Int]

    init(eventsByRank: [[Event]], _ dropped: [Int]) {
        self.eventsByRank = eventsByRank
        self.dropped = dropped
    }

    /// Calls `body` with the file's text, piece by piece.
    func forEachPiece(_ body: ([UInt8]) -> Void) {
        body(Array("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n".utf8))
        let origin = eventsByRank.joined().map(\.begin).min() ?? 0
        var isFirst = true
        func piece(_ value: JSONValue) {
            body(Array(((isFirst ? "" : ",\n") + "\(value)").utf8))
            isFirst = false
        }
        for (rank, events) in eventsByRank.enumerated() where !events.isEmpty {
            let missing = dropped[rank] > 0 ? ", \(dropped[rank]) later calls left out" : ""
            piece(
                .object([
                    JSONField("ph", .string("M")), JSONField("name", .string("thread_name")),
                    JSONField("pid", .integer(0)), JSONField("tid", .integer(rank)),
                    JSONField(
                        "args", .object([JSONField("name", .string("rank \(rank)\(missing)"))])),
                ]))
            for event in events { piece(Self.json(event, rank: rank, origin: origin)) }
        }
        body(Array("\n]}\n".utf8))
    }

    private static func json(_ event: Event, rank: Int, origin: Int64) -> JSONValue {
        var details = [
            JSONField("bytes", .integer(Int(event.byteCount))),
            JSONField("communicator", .integer(Int(event.communicator))),
        ]
        if event.peer >= 0 { details.append(JSONField("peer", .integer(Int(event.peer)))) }
        if event.idle >= 0 {
            details.append(JSONField("waiting_us", .number(Double(event.idle) / 1000)))
        }
        if let algorithm = CollectiveAlgorithm(rawValue: event.algorithm) {
            details.append(JSONField("algorithm", .string("\(algorithm)")))
        }
        let isCollective = CollectiveAlgorithm(rawValue: event.algorithm) != nil
        return .object([
            JSONField("ph", .string("X")), JSONField("name", .string("\(event.operation)")),
            JSONField("cat", .string(isCollective ? "collective" : "point-to-point")),
            JSONField("ts", .number(Double(event.begin - origin) / 1000)),
            JSONField("dur", .number(Double(event.duration) / 1000)),
            JSONField("pid", .integer(0)), JSONField("tid", .integer(rank)),
            JSONField("args", .object(details)),
        ])
    }
}
