// Log lines that programs read: one JSON object per line on standard error, the time in UTC, what
// an event is about as fields of its own.

import CompactJSON
import Glibc
import Logging

struct JSONLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    let label: String

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = [
            JSONField("time", .string(Self.now)),
            JSONField("level", .string(event.level.rawValue)),
            JSONField("logger", .string(label)),
            JSONField("message", .string("\(event.message)")),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            fields.append(JSONField(key, .string("\(value)")))
        }
        // One write per line: lines of several threads do not mix.
        let line = Array("\(JSONValue.object(fields))\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
    }

    /// `2026-01-31T23:59:59.123Z` (RFC 3339).
    private static var now: String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var parts = tm()
        gmtime_r(&time.tv_sec, &parts)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(count - text.count, 0)) + text
        }
        let date = [
            digits(Int(parts.tm_year) + 1900, 4), digits(Int(parts.tm_mon) + 1, 2),
            digits(Int(parts.tm_mday), 2),
        ].joined(separator: "-")
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { digits(Int($0), 2) }
            .joined(separator: ":")
        return "\(date)T\(clock).\(digits(time.tv_nsec / 1_000_000, 3))Z"
    }
}
