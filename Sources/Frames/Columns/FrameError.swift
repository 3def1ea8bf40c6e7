// The one error type of dataframes: what failed, in which operator, on which column, called from
// where.
import MessagePassing

/// A dataframe operation that could not be done; the same error on all ranks.
public struct FrameError: Error, Sendable, Equatable {
    /// The kind of failure: compare with `==`, the set may grow.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        public let name: String
        public init(_ name: String) { self.name = name }
        public var description: String { name }

        /// No column of that name.
        public static let missingColumn = Code("missingColumn")
        /// Two columns of one name.
        public static let duplicateColumn = Code("duplicateColumn")
        /// The operation does not exist for that type, or two types do not go together.
        public static let typeMismatch = Code("typeMismatch")
        /// Columns of different lengths in one table.
        public static let lengthMismatch = Code("lengthMismatch")
        /// A wrong argument: no keys, a negative count …
        public static let invalidArgument = Code("invalidArgument")
        /// A value that cannot be read as the wanted type.
        public static let malformedValue = Code("malformedValue")
        /// An integer sum beyond its type.
        public static let overflow = Code("overflow")
        /// A record of a file with too few or too many fields.
        public static let raggedRow = Code("raggedRow")
        /// A file that cannot be opened, read or written.
        public static let fileError = Code("fileError")
        /// Ranks ran different operations, or the same one with other arguments.
        public static let mismatchedPlan = Code("mismatchedPlan")
        /// A rank sent bytes that are no message of this library: it is not to be trusted.
        public static let malformedMessage = Code("malformedMessage")
        /// The communicator failed; `cause` tells how.
        public static let communication = Code("communication")
    }

    public var code: Code
    /// The verb: `join`, `readCSV`.
    public var operation: String
    public var reason: String
    public var column: String?
    /// The input file concerned.
    public var path: String?
    /// 1-based line of `path`.
    public var line: Int?
    /// Where in the program the verb was called: `Flights.swift:31`.
    public var location: String?
    public var cause: MPIError?

    public init(
        _ code: Code, operation: String, reason: String, column: String? = nil,
        path: String? = nil, line: Int? = nil, location: String? = nil, cause: MPIError? = nil
    ) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.column = column
        self.path = path
        self.line = line
        self.location = location
        self.cause = cause
    }

    /// The communicator failed during `operation`.
    public init(_ cause: MPIError, during operation: String) {
        self.init(
            .communication, operation: operation, reason: "the communicator failed", cause: cause)
    }
}

extension FrameError: CustomStringConvertible {
    public var description: String {
        var text = "\(operation): \(code)"
        if let path { text += ", \(path)" }
        if let line { text += " line \(line)" }
        if let column { text += ", column \"\(column)\"" }
        text += ": \(reason)"
        if let location { text += " (at \(location))" }
        if let cause { text += ": \(cause)" }
        return text
    }
}
