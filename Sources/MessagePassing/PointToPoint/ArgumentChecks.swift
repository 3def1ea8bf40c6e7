// Argument checks of point-to-point calls, for the transports that match messages themselves: a
// wrong call on one rank must disturb no other.

extension Communicator {
    /// A rank of the group, and a tag that can be sent.
    package func checkDestination(
        _ destination: Destination, _ tag: Tag, _ operation: String
    ) throws(MPIError) {
        guard (0..<size).contains(destination.rawValue) else {
            throw .invalidArgument(
                operation, "there is no rank \(destination); use 0 ... \(size - 1)")
        }
        guard tag.rawValue >= 0 else {
            throw .invalidArgument(
                operation, "tag \(tag) cannot be sent; use 0 ... \(Tag.upperBound)")
        }
    }

    /// A rank of the group or any, and a tag that can match.
    package func checkSource(_ source: Source, _ tag: Tag, _ operation: String) throws(MPIError) {
        guard source == .any || (0..<size).contains(source.rawValue) else {
            throw .invalidArgument(
                operation, "there is no rank \(source); use 0 ... \(size - 1), or .any")
        }
        guard tag.rawValue >= 0 || tag == .any else {
            throw .invalidArgument(
                operation, "tag \(tag) matches nothing; use 0 ... \(Tag.upperBound), or .any")
        }
    }

    /// The requests of a waitall.
    package func checkStatuses(
        _ statuses: UnsafeMutableBufferPointer<Status>,
        of requests: UnsafeBufferPointer<RequestHandle>
    ) throws(MPIError) {
        if !statuses.isEmpty && statuses.count != requests.count {
            throw .invalidArgument("waitall", "one status per request, or none at all")
        }
    }

    /// The requests of a waitany.
    package func checkNotEmpty(
        _ requests: UnsafeBufferPointer<RequestHandle>
    ) throws(MPIError) {
        if requests.isEmpty {
            throw .invalidArgument("waitany", "there is no request to wait for")
        }
    }
}

extension RequestHandle {
    /// The request of an operation with `.none`; slots are never named 0.
    package static let completed = RequestHandle(rawValue: 0)
}

extension MessageHandle {
    /// The message that a probe of `.none` claims.
    package static let nothing = MessageHandle(rawValue: 0)
}
