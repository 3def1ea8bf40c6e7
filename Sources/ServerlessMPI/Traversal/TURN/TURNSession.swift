// The long-term credential as it stands between requests (RFC 8489 §9.2): the realm and nonce
// that one connection to a TURN server has been given, and the signing of what it asks.

/// Signs the requests on one connection and checks the answers.
struct TURNSession {
    /// How often the server may challenge one request, by calling its own nonce stale.
    static let maximumChallenges = 3

    private let username: String
    private let password: Secret
    private var realm: String?
    private var nonce: [UInt8] = []
    private var key: STUNKey?

    init(username: String, password: Secret) {
        self.username = username
        self.password = password
    }

    /// The request's bytes: signed once the server has said how.
    func encode(_ request: STUNMessage) -> [UInt8] {
        guard let realm, let key else { return request.encoded }
        var request = request
        request.attributes += [
            .text(.username, username), .text(.realm, realm), STUNAttribute(.nonce, nonce),
        ]
        return request.encoded(signedWith: key)
    }

    /// What an answer to a request of this session means.
    enum Verdict: Equatable {
        case success
        /// The server wants the same again, signed with what it has just said.
        case again
        case failure(TURNFault)
    }

    /// - Parameters:
    ///   - bytes: those of `answer`.
    ///   - challenges: how often this request has been challenged before.
    mutating func judge(
        _ answer: STUNMessage, _ bytes: [UInt8], challenges: Int
    ) -> Verdict {
        if answer.kind == .success {
            if let key, !STUNMessage.isAuthentic(bytes, key: key) { return .failure(.unsigned) }
            return .success
        }
        guard let code = answer.errorCode else {
            return .failure(.broken("an error without a code"))
        }
        let isChallenge = code == 438 || code == 401 && key == nil
        guard isChallenge, challenges < Self.maximumChallenges else {
            return .failure(.answered(code, to: answer.method))
        }
        return take(answer)
    }

    private mutating func take(_ answer: STUNMessage) -> Verdict {
        guard let nonce = answer.value(.nonce), nonce.count < 764,
            let realm = answer.text(.realm) ?? realm, realm.utf8.count < 764
        else { return .failure(.broken("a challenge without realm or nonce")) }
        guard let key = STUNKey(username: username, realm: realm, password: password) else {
            return .failure(.noMD5)
        }
        self.realm = realm
        self.nonce = nonce
        self.key = key
        return .again
    }
}
