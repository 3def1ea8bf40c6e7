// The moment of a signature, in UTC, as `x-amz-date` spells it.

import Glibc

/// `20261126T031500Z`.
package struct Timestamp: Sendable, Equatable {
    package let text: String
    /// The first eight digits: the day a signing key is good for.
    var day: String { String(text.prefix(8)) }

    package init(secondsSinceEpoch seconds: Int) {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        text =
            digits(Int(parts.tm_year) + 1900, 4) + digits(Int(parts.tm_mon) + 1, 2)
            + digits(Int(parts.tm_mday), 2) + "T" + digits(Int(parts.tm_hour), 2)
            + digits(Int(parts.tm_min), 2) + digits(Int(parts.tm_sec), 2) + "Z"
    }

    package static var now: Timestamp { Timestamp(secondsSinceEpoch: time(nil)) }
}

private func digits(_ value: Int, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
}
