// Buffers with poison around them: a collective that writes one byte too many is found out.

/// Calls `body` with `count` elements in the middle of a poisoned buffer, expects the poison to
/// survive, and returns what `body` left in the elements.
func guarded<Element: BitwiseCopyable>(
    _ count: Int, of type: Element.Type = Element.self, _ expect: Expectations, _ what: String,
    _ body: (UnsafeMutableRawBufferPointer) throws -> Void
) rethrows -> [Element] {
    try guarded(Array(repeating: poison(), count: count), expect, what, body)
}

/// The same with given elements in the middle.
func guarded<Element: BitwiseCopyable>(
    _ elements: [Element], _ expect: Expectations, _ what: String,
    _ body: (UnsafeMutableRawBufferPointer) throws -> Void
) rethrows -> [Element] {
    let margin = Array(repeating: poison(Element.self), count: 64)
    var buffer = margin + elements + margin
    try buffer.withUnsafeMutableBytes { bytes in
        let edge = 64 * MemoryLayout<Element>.stride
        try body(UnsafeMutableRawBufferPointer(rebasing: bytes[edge..<bytes.count - edge]))
    }
    expect.equalBytes(Array(buffer.prefix(64)), margin, "\(what): memory before the buffer")
    expect.equalBytes(Array(buffer.suffix(64)), margin, "\(what): memory after the buffer")
    return Array(buffer[64..<64 + elements.count])
}

/// An element of bytes that no test data has all of.
func poison<Element: BitwiseCopyable>(_ type: Element.Type = Element.self) -> Element {
    withUnsafeTemporaryAllocation(of: Element.self, capacity: 1) { buffer in
        let bytes = UnsafeMutableRawBufferPointer(buffer)
        for index in bytes.indices { bytes[index] = 0xA5 }
        return buffer[0]
    }
}
