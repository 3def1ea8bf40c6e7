// Bytes from a pipe to whole lines, so that the ranks' output never mixes within a line.

/// Collects bytes until a newline. A line longer than `lengthMax` is handed over in pieces, so that
/// a program that never writes a newline cannot fill the launcher's memory.
struct LineSplitter {
    static let lengthMax = 64 << 10

    private var pending: [UInt8] = []

    /// Adds bytes and returns the lines they complete, without newlines.
    mutating func add(_ bytes: ArraySlice<UInt8>) -> [String] {
        var lines: [String] = []
        var rest = bytes
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            pending += rest[..<newline]
            lines.append(take())
            rest = rest[(newline + 1)...]
        }
        pending += rest
        if pending.count >= LineSplitter.lengthMax { lines.append(take()) }
        return lines
    }

    /// The last line, if the output ended without a newline.
    mutating func finish() -> String? { pending.isEmpty ? nil : take() }

    private mutating func take() -> String {
        defer { pending.removeAll(keepingCapacity: true) }
        if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
        return String(decoding: pending, as: UTF8.self)
    }
}
