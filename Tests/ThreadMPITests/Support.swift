// Checks made inside rank bodies. They throw, because Swift Testing knows the current test only
// on its own thread; `ThreadMPI.run` rethrows them there.

import Glibc
import MessagePassing
import Testing
import ThreadMPI

struct CheckFailed: Error, CustomStringConvertible {
    let description: String
}

/// Throws what is wrong, with the line it was found on.
func check(
    _ condition: Bool, _ what: @autoclosure () -> String, line: Int = #line
) throws {
    if !condition { throw CheckFailed(description: "line \(line): \(what())") }
}

/// The error that `body` must throw.
func errorOf<Result: ~Copyable>(
    line: Int = #line, _ body: () throws(MPIError) -> Result
) throws -> MPIError {
    do throws(MPIError) {
        _ = try body()
    } catch {
        return error
    }
    throw CheckFailed(description: "line \(line): no error was thrown")
}

/// SplitMix64, so that a failing seed can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// One table, copied from: computing every byte would dominate a debug build.
private let patternTable: [UInt8] = {
    var random = SeededGenerator(seed: 7)
    let words = (0..<(4 << 20) / 8).map { _ in random.next() }
    return words.withUnsafeBytes { [UInt8]($0) }
}()

/// The bytes a message must have, known to both sides.
func pattern(_ byteCount: Int, _ salt: Int) -> [UInt8] {
    let start = salt % 1000
    return Array(patternTable[start..<start + byteCount])
}

/// Equality of bytes, fast in a debug build too.
func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            guard left.count == right.count, !left.isEmpty,
                let first = left.baseAddress, let second = right.baseAddress
            else { return left.count == right.count }
            return memcmp(first, second, left.count) == 0
        }
    }
}

/// Long enough for a loaded machine, short enough that a deadlock fails the test soon.
let patience = Duration.seconds(30)
