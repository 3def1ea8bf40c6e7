// One value as a message: `stride` bytes, as in an array, where `withUnsafeBytes(of:)` would give
// `size`, which is shorter for types with tail padding.

/// The bytes of one value.
@inlinable
package func withBytes<Element: BitwiseCopyable, Result, Failure: Error>(
    of value: Element, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
    var value = value
    return try withMutableBytes(of: &value) { (bytes) throws(Failure) in
        try body(UnsafeRawBufferPointer(bytes))
    }
}

/// The bytes of one variable, copied back after `body`.
@inlinable
package func withMutableBytes<Element: BitwiseCopyable, Result, Failure: Error>(
    of value: inout Element, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
    try withUnsafeTemporaryAllocation(of: Element.self, capacity: 1) {
        (buffer) throws(Failure) -> Result in
        buffer.initializeElement(at: 0, to: value)
        defer { value = buffer[0] }
        return try body(UnsafeMutableRawBufferPointer(buffer))
    }
}
