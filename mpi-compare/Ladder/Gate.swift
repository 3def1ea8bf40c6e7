// Turns: `mpi-compare bench` keeps the jobs of all environments alive and lets one at a time run,
// so that they share the noise of the machine. A rank that waits for its turn sleeps in read(2) and
// takes nothing from the one that runs.
import Glibc

/// What to measure next.
public struct LadderTurn: Sendable, Equatable {
    public var operation: LadderOperation
    /// Of one message or part; see `LadderOperation`.
    public var byteCount: Int
    /// How long to repeat it.
    public var microseconds: Int

    public init(operation: LadderOperation, byteCount: Int, microseconds: Int) {
        self.operation = operation
        self.byteCount = byteCount
        self.microseconds = microseconds
    }

    /// One line without its end.
    public var line: String { "\(operation.rawValue) \(byteCount) \(microseconds)" }

    /// - Returns: nil for a line that is none.
    public init?(line: Substring) {
        let words = line.split(separator: " ")
        guard words.count == 3, let operation = LadderOperation(rawValue: String(words[0])),
            let byteCount = Int(words[1]), let microseconds = Int(words[2]), byteCount >= 0,
            byteCount <= LadderOperation.byteCountMax, microseconds >= 0
        else { return nil }
        self.init(operation: operation, byteCount: byteCount, microseconds: microseconds)
    }
}

/// The pipe with a name through which one rank is told its turns.
public struct Gate: ~Copyable {
    private let descriptor: Int32
    private var pending: [UInt8] = []

    /// Where the gate of a rank stands, in the folder of its job.
    public static func path(_ folder: String, rank: Int) -> String { "\(folder)/rank-\(rank)" }

    /// - Throws: `LadderError` if there is no such pipe.
    public init(_ folder: String, rank: Int) throws(LadderError) {
        let path = Gate.path(folder, rank: rank)
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw LadderError("cannot open the gate \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Sleeps until the next turn; nil when there is none any more.
    public mutating func next() throws(LadderError) -> LadderTurn? {
        var chunk = [UInt8](repeating: 0, count: 256)
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                let text = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeSubrange(...end)
                guard let turn = LadderTurn(line: Substring(text)) else {
                    throw LadderError("\"\(text)\" is no turn of the ladder")
                }
                return turn
            }
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { return nil }
            pending += chunk[..<count]
        }
    }
}

/// A measurement went wrong although no call failed.
public struct LadderError: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(_ description: String) { self.description = description }
}
