// How many connections have not joined yet, in all and from each address. One address can fill only
// its share of the places, so that strangers somewhere keep nobody else out.

struct NewcomerCount {
    private(set) var total = 0
    private var ofNetwork: [IPAddress: Int] = [:]

    mutating func enter(_ address: SocketAddress) {
        total += 1
        ofNetwork[Self.network(address.ip), default: 0] += 1
    }

    mutating func leave(_ address: SocketAddress) {
        total -= 1
        let network = Self.network(address.ip)
        let left = ofNetwork[network, default: 0] - 1
        ofNetwork[network] = left > 0 ? left : nil
    }

    func count(from address: SocketAddress) -> Int {
        ofNetwork[Self.network(address.ip), default: 0]
    }

    /// Whoever has one IPv6 address usually has its whole /64 (RFC 6177).
    private static func network(_ ip: IPAddress) -> IPAddress {
        if case .v6(let high, _) = ip { .v6(high: high, low: 0) } else { ip }
    }
}
