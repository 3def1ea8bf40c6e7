// Text to date and datetime: the forms of ISO 8601 that data files use. Strict, because a column
// becomes a date column only if every value is one.

/// `YYYY-MM-DD` as days since 1970-01-01; nil if it is none.
package func parseDate(_ text: UnsafeBufferPointer<UInt8>) -> Int32? {
    text.count == 10 ? parseDatePrefix(text).map { Int32(truncatingIfNeeded: $0) } : nil
}

private func parseDatePrefix(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
    guard text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"),
        let century = twoDigits(text, 0), let yearOfCentury = twoDigits(text, 2),
        let month = twoDigits(text, 5), let day = twoDigits(text, 8)
    else { return nil }
    let date = CivilDate(year: century &* 100 &+ yearOfCentury, month: month, day: day)
    return date.isValid ? date.daysSince1970 : nil
}

/// `YYYY-MM-DD`, `T` or a space, `hh:mm[:ss[.fraction]]`, then nothing, `Z`, `±hh`, `±hhmm` or
/// `±hh:mm`, as µs since 1970-01-01T00:00:00Z; nil if it is none. Without a zone the time counts as
/// UTC. Digits beyond the microsecond are cut off.
package func parseDateTime(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count >= 16, text[10] == UInt8(ascii: "T") || text[10] == UInt8(ascii: " "),
        let days = parseDatePrefix(text), text[13] == UInt8(ascii: ":"),
        let hour = twoDigits(text, 11), let minute = twoDigits(text, 14), hour < 24, minute < 60
    else { return nil }
    var seconds = (days &* 24 &+ hour) &* 3600 &+ minute &* 60
    var microseconds = 0
    var index = 16
    if index < text.count, text[index] == UInt8(ascii: ":") {
        guard text.count >= 19, let second = twoDigits(text, 17), second < 60 else { return nil }
        seconds &+= second
        index = 19
        if index < text.count, text[index] == UInt8(ascii: ".") {
            guard let fraction = parseFraction(text, from: &index) else { return nil }
            microseconds = fraction
        }
    }
    guard let offset = parseZone(text, from: index) else { return nil }
    return Int64((seconds &- offset) &* 1_000_000 &+ microseconds)
}

/// The digits after the point at `index`, in µs; moves `index` behind them.
private func parseFraction(_ text: UnsafeBufferPointer<UInt8>, from index: inout Int) -> Int? {
    index &+= 1
    let start = index
    var value = 0
    var scale = 100_000
    while index < text.count {
        let digit = Int(text[index] &- 0x30)
        if digit > 9 { break }
        value &+= digit &* scale
        scale /= 10
        index &+= 1
    }
    return index > start ? value : nil
}

/// Seconds east of UTC; the text must end with the zone.
private func parseZone(_ text: UnsafeBufferPointer<UInt8>, from index: Int) -> Int? {
    let length = text.count &- index
    if length == 0 { return 0 }
    if length == 1 { return text[index] | 0x20 == UInt8(ascii: "z") ? 0 : nil }
    let isNegative = text[index] == UInt8(ascii: "-")
    guard isNegative || text[index] == UInt8(ascii: "+"), length >= 3,
        let hours = twoDigits(text, index &+ 1), hours < 24
    else { return nil }
    var minutes = 0
    if length > 3 {
        let hasColon = text[index &+ 3] == UInt8(ascii: ":")
        guard length == (hasColon ? 6 : 5),
            let parsed = twoDigits(text, index &+ (hasColon ? 4 : 3)), parsed < 60
        else { return nil }
        minutes = parsed
    }
    let offset = hours &* 3600 &+ minutes &* 60
    return isNegative ? -offset : offset
}

/// Two digits at `index`, which must be inside the text together with the next.
@inline(__always)
private func twoDigits(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int? {
    let tens = text[index] &- 0x30
    let ones = text[index &+ 1] &- 0x30
    return tens > 9 || ones > 9 ? nil : Int(tens &* 10 &+ ones)
}
