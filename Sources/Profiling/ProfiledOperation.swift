// What is told apart in statistics and timelines: every kind of call.

import MessagePassing

/// A kind of call, by MPI's name of it.
public struct ProfiledOperation: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    let code: UInt8

    static let isend = ProfiledOperation(code: 1)
    static let issend = ProfiledOperation(code: 2)
    static let irecv = ProfiledOperation(code: 3)
    static let wait = ProfiledOperation(code: 4)
    static let waitAny = ProfiledOperation(code: 5)
    static let waitAll = ProfiledOperation(code: 6)
    static let test = ProfiledOperation(code: 7)
    static let probe = ProfiledOperation(code: 8)
    static let imrecv = ProfiledOperation(code: 9)
    static let send = ProfiledOperation(code: 10)
    static let recv = ProfiledOperation(code: 11)

    private static let blockingBase: UInt8 = 32
    private static let nonblockingBase: UInt8 = 96

    /// A blocking collective.
    static func run(_ operation: CollectiveOperation) -> ProfiledOperation {
        ProfiledOperation(code: blockingBase + operation.rawValue)
    }

    /// The start of a nonblocking one.
    static func start(_ operation: CollectiveOperation) -> ProfiledOperation {
        ProfiledOperation(code: nonblockingBase + operation.rawValue)
    }

    /// `isend`, `allreduce`, `iallreduce` …
    public var description: String {
        if code >= Self.nonblockingBase,
            let operation = CollectiveOperation(rawValue: code - Self.nonblockingBase)
        {
            return "i\(operation)"
        }
        if code >= Self.blockingBase,
            let operation = CollectiveOperation(rawValue: code - Self.blockingBase)
        {
            return "\(operation)"
        }
        let names = [
            "", "isend", "issend", "irecv", "wait", "waitany", "waitall", "test", "probe", "imrecv",
            "send", "recv",
        ]
        return Int(code) < names.count ? names[Int(code)] : "?"
    }
}
