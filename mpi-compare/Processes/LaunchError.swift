// Why a job could not be started: always one line that says what to do.

/// A job that never began; `description` is one line for the user.
public struct LaunchError: Error, CustomStringConvertible, Sendable, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}
