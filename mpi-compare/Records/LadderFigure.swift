// What rank 0 of a ladder prints after each turn, one JSON object per line.
import CompactJSON

/// One turn's time for one execution.
public struct LadderFigure: Sendable, Equatable {
    public var operation: String
    public var byteCount: Int
    public var microseconds: Double

    public init(operation: String, byteCount: Int, microseconds: Double) {
        self.operation = operation
        self.byteCount = byteCount
        self.microseconds = microseconds
    }

    /// Before the first turn: all ranks are connected.
    public static let ready = LadderFigure(operation: "ready", byteCount: 0, microseconds: 0)

    public var json: JSONValue {
        .object([
            JSONField("message", .string("ladder")),
            JSONField("op", .string(operation)),
            JSONField("bytes", .integer(byteCount)),
            JSONField("us", .number(microseconds)),
        ])
    }

    /// The figure that a line of a rank's output is; nil for any other line.
    public init?(line: String) {
        guard line.hasPrefix("{"), let json = JSONValue(parsing: line),
            case .string("ladder")? = json["message"], case .string(let operation)? = json["op"],
            let byteCount = json["bytes"]?.integer, let microseconds = json["us"]?.number
        else { return nil }
        self.init(operation: operation, byteCount: byteCount, microseconds: microseconds)
    }
}
