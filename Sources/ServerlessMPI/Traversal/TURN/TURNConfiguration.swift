// Which TURN server a rank may use, and as whom: three environment variables. The password is a
// secret like the job's keys, so nothing here ever prints it.

import MessagePassing

/// A TURN server that relays TCP (RFC 6062), and the account there.
struct TURNConfiguration: Sendable {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    var host: String
    var port: UInt16
    var username: String
    var password: Secret

    static let defaultPort: UInt16 = 3478
    /// RFC 8489 §14.3: user names have less than 509 bytes.
    private static let maximumUsernameByteCount = 508

    var name: String { host.contains(":") ? "turn:[\(host)]:\(port)" : "turn:\(host):\(port)" }
}

extension TURNConfiguration {
    private typealias Variable = JoinConfiguration.Variable

    /// Reads the three variables; nil where no TURN URL is set.
    ///
    /// - Parameter value: what a variable says, nil if it is unset or empty.
    static func from(_ value: (String) -> String?) throws(MPIError) -> TURNConfiguration? {
        guard let text = value(Variable.turnURL) else { return nil }
        guard let (host, port) = parse(text) else {
            throw .invalidArgument(
                "join",
                "\(Variable.turnURL) must be turn:HOST:PORT?transport=tcp, such as"
                    + " turn:relay.example:3478?transport=tcp (the only transport there is)")
        }
        guard let username = value(Variable.turnUsername),
            username.utf8.count <= maximumUsernameByteCount, !username.contains(":")
        else {
            throw .invalidArgument(
                "join",
                "\(Variable.turnUsername) must be the user name at the TURN server that"
                    + " \(Variable.turnURL) names")
        }
        guard let password = value(Variable.turnPassword) else {
            throw .invalidArgument(
                "join",
                "\(Variable.turnPassword) must be the password at the TURN server that"
                    + " \(Variable.turnURL) names")
        }
        return TURNConfiguration(
            host: host, port: port, username: username, password: Secret(Array(password.utf8)))
    }

    /// `turn:HOST[:PORT]?transport=tcp` (RFC 7065); HOST may be an IPv6 address in brackets.
    private static func parse(_ text: String) -> (String, UInt16)? {
        let scheme = "turn:"
        let transport = "?transport=tcp"
        guard text.hasPrefix(scheme), text.hasSuffix(transport),
            text.count > scheme.count + transport.count
        else { return nil }
        let authority = text.dropFirst(scheme.count).dropLast(transport.count)
        var host = authority
        var portText = Substring(String(defaultPort))
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.first == ":", host.contains(":") else { return nil }
            if !rest.isEmpty { portText = rest.dropFirst() }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty, let port = UInt16(portText), port != 0,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3f })
        else { return nil }
        return (String(host), port)
    }
}
