// What AWS bills an invocation for: the REPORT line at the end of its log.

/// Times in seconds.
public struct InvocationReport: Sendable, Equatable {
    public var duration: Double
    /// Init included, rounded up to a millisecond.
    public var billed: Double
    public var memoryMegabytes: Int
    public var peakMegabytes: Int?
    /// Of a cold start; nil if the sandbox was warm.
    public var initDuration: Double?

    /// Reads the last REPORT line of a log; nil if there is none.
    public init?(log: String) {
        guard let line = log.split(separator: "\n").last(where: { $0.hasPrefix("REPORT ") }) else {
            return nil
        }
        var values: [String: Double] = [:]
        for field in line.split(separator: "\t") {
            guard let colon = field.firstIndex(of: ":") else { continue }
            let words = field[field.index(after: colon)...].split(separator: " ")
            values[String(field[..<colon])] = words.first.flatMap { Double($0) }
        }
        guard let duration = values["Duration"], let billed = values["Billed Duration"],
            let memory = values["Memory Size"]
        else { return nil }
        self.duration = duration / 1000
        self.billed = billed / 1000
        memoryMegabytes = Int(memory)
        peakMegabytes = values["Max Memory Used"].map { Int($0) }
        initDuration = values["Init Duration"].map { $0 / 1000 }
    }
}

/// The list price of AWS Lambda on x86-64, in dollars.
public enum LambdaPrice {
    public static let perGigabyteSecond = 0.000_016_666_7
    public static let perRequest = 0.000_000_2

    public static func dollars(_ reports: [InvocationReport]) -> Double {
        reports.reduce(0) {
            $0 + dollars(seconds: $1.billed, memoryMegabytes: $1.memoryMegabytes)
        }
    }

    /// One invocation.
    static func dollars(seconds: Double, memoryMegabytes: Int) -> Double {
        seconds * Double(memoryMegabytes) / 1024 * perGigabyteSecond + perRequest
    }
}
