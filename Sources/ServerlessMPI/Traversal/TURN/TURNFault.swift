// Why a rank has no relayed address, in words for the person who runs the job: what the TURN
// server said, and what to change. The job goes on without; these lines stand among the addresses
// that were tried if a peer then cannot be reached.

/// Why a TURN server does not relay for this rank.
struct TURNFault: Error, Equatable {
    /// The error code of the server's answer, if that was it.
    var code: Int?
    /// One line.
    var reason: String
}

extension TURNFault {
    private typealias Variable = JoinConfiguration.Variable

    /// What an error answer means (RFC 8489 §14.8, RFC 8656 §19, RFC 6062 §6.3).
    static func answered(_ code: Int, to method: STUNMessage.Method) -> TURNFault {
        TURNFault(code: code, reason: "\(meaning(code)) (\(code) to \(name(method)))")
    }

    private static func meaning(_ code: Int) -> String {
        switch code {
        case 300: "it sends its clients to another server: name that one in \(Variable.turnURL)"
        case 400: "it did not understand the request"
        case 401:
            "wrong user name or password: check \(Variable.turnUsername) and"
                + " \(Variable.turnPassword)"
        case 403: "its operator forbids relaying to that address"
        case 420: "it lacks a part of TURN that relaying TCP needs: use one with RFC 6062"
        case 437: "it holds no allocation for this connection, or an older one: join again"
        case 438: "it takes no nonce, not even its own newest"
        case 440, 443: "it has no address of the IP version that is needed"
        case 441: "the allocation belongs to another user"
        case 442:
            "it does not relay TCP: allow that (RFC 6062; with coturn, remove no-tcp-relay)"
        case 446: "there is a connection to that peer already"
        case 447: "it could not connect to the peer"
        case 486:
            "this user has as many allocations as allowed: raise the quota (with coturn,"
                + " user-quota) to one per rank"
        case 500: "it failed; try again later"
        case 508:
            "it has no port or bandwidth left: raise its limits (with coturn, min-port,"
                + " max-port, total-quota)"
        default: "it refused"
        }
    }

    private static func name(_ method: STUNMessage.Method) -> String {
        switch method {
        case .binding: "Binding"
        case .allocate: "Allocate"
        case .refresh: "Refresh"
        case .createPermission: "CreatePermission"
        case .connectionBind: "ConnectionBind"
        case .connectionAttempt: "ConnectionAttempt"
        }
    }

    static let noAnswer = TURNFault(reason: "no answer")
    static let noMD5 = TURNFault(
        reason: "this system's OpenSSL has no MD5 (FIPS mode?), which TURN's passwords need")
    static let unsigned = TURNFault(
        reason: "its answer is not signed with this user's password: it may be an impostor")

    static func broken(_ what: String) -> TURNFault {
        TURNFault(reason: "it broke the protocol: \(what)")
    }
}
