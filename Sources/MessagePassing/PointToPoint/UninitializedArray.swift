// Arrays that a transport fills: their memory is not zeroed first, as every byte is received.

/// An array of `count` elements whose bytes `fill` writes.
@inlinable
package func uninitializedArray<Element: BitwiseCopyable, Failure: Error>(
    _ count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
) throws(Failure) -> [Element] {
    try [Element](capacity: count) { (output) throws(Failure) in
        try output.withUnsafeMutableBufferPointer { (buffer, initialized) throws(Failure) in
            let target = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
            try fill(UnsafeMutableRawBufferPointer(target))
            initialized = count
        }
    }
}
