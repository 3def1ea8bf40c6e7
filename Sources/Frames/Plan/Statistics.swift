// What each step of a run cost on this rank: the numbers behind "is it the network or the work?".

/// One executed step, on one rank.
public struct StepStatistics: Sendable {
    /// The verb: `join`.
    public internal(set) var operation: String
    /// Rows of all inputs on this rank, before and after.
    public internal(set) var rowsIn = 0
    public internal(set) var rowsOut = 0
    /// Bytes handed to and taken from the communicator, one's own part left out.
    public internal(set) var bytesSent = 0
    public internal(set) var bytesReceived = 0
    /// How often the ranks exchanged messages: each a collective call.
    public internal(set) var exchanges = 0
    /// Time inside the communicator, waiting for slower ranks included.
    public internal(set) var communication: Duration = .zero
    /// The rest.
    public internal(set) var compute: Duration = .zero

    init(operation: String) { self.operation = operation }
}
