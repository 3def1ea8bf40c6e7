// Second sightings of ranks: the observer port learns an address and an id, the join request
// brings the same id, in either order. Pure and bounded; ids that nobody claims are forgotten.

struct ObservationTable {
    private static let lifetime = Duration.seconds(10)

    let limit: Int
    private var addresses: [[UInt8]: SocketAddress] = [:]
    /// In order of arrival.
    private var order: [(id: [UInt8], deadline: ContinuousClock.Instant)] = []
    /// Joined already, not seen yet.
    private var awaited: [[UInt8]: ConnectionID] = [:]
    private var ids: [ConnectionID: [UInt8]] = [:]

    init(limit: Int) { self.limit = limit }

    /// A rank has been seen. Whose it is, if its join request came first.
    mutating func saw(
        _ id: [UInt8], at address: SocketAddress, now: ContinuousClock.Instant
    ) -> ConnectionID? {
        if let connection = awaited.removeValue(forKey: id) {
            ids[connection] = nil
            return connection
        }
        guard addresses[id] == nil else { return nil }
        let forgotten = order.prefix { $0.deadline <= now }.count
        let surplus = order.count + 1 - limit
        for entry in order.prefix(max(forgotten, surplus)) { addresses[entry.id] = nil }
        order.removeFirst(min(max(forgotten, surplus, 0), order.count))
        addresses[id] = address
        order.append((id, now + Self.lifetime))
        return nil
    }

    /// A rank has joined: where it has been seen, or nil if it has not been yet.
    mutating func claim(_ id: [UInt8], for connection: ConnectionID) -> SocketAddress? {
        if let address = addresses.removeValue(forKey: id) {
            order.removeAll { $0.id == id }
            return address
        }
        awaited[id] = connection
        ids[connection] = id
        return nil
    }

    /// The connection is gone, or its class is not of interest any more.
    mutating func forget(_ connection: ConnectionID) {
        if let id = ids.removeValue(forKey: connection) { awaited[id] = nil }
    }
}
