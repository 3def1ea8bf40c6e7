// The second half of TURNMachine: a peer has connected to the relayed address, and a connection
// of this rank to the TURN server is bound to it (RFC 6062 §4.4, §4.5).

extension TURNMachine {
    /// A data connection until it is bound. It has a nonce of its own: for some servers each
    /// connection does.
    struct Data {
        let connectionID: UInt32
        var session: TURNSession
        var transaction: [UInt8] = []
        var challenges = 0
        var framing = STUNFraming()
        let deadline: Instant
    }
}

extension TURNMachine {
    mutating func announced(_ indication: STUNMessage, _ now: Instant) {
        guard indication.method == .connectionAttempt, relayedAddress != nil,
            let id = indication.number(.connectionID), data.count < dataLimit,
            !data.values.contains(where: { $0.connectionID == id })
        else { return }
        let number = nextData
        nextData += 1
        data[number] = Data(connectionID: id, session: session, deadline: now + Self.bindTimeout)
        actions.append(.openData(number))
    }

    mutating func dataConnected(_ number: DataConnection) {
        guard var connection = data[number] else { return }
        bind(number, &connection)
        data[number] = connection
    }

    /// The data connection is gone before it was handed over.
    mutating func dataLost(_ number: DataConnection) { data[number] = nil }

    /// How many bytes may be read from a data connection: what follows them is the peer's.
    func neededByteCount(_ number: DataConnection) -> Int {
        data[number]?.framing.neededByteCount ?? 0
    }

    mutating func dataReceived(_ number: DataConnection, _ bytes: some Sequence<UInt8>) {
        guard var connection = data[number] else { return }
        connection.framing.append(bytes)
        defer { if data[number] != nil { data[number] = connection } }
        do throws(MalformedMessage) {
            guard let next = try connection.framing.next() else { return }
            let answer = try Self.decode(next)
            guard answer.transaction == connection.transaction, answer.kind != .request,
                answer.method == .connectionBind
            else { return drop(number) }
            let challenges = connection.challenges
            switch connection.session.judge(answer, next, challenges: challenges) {
            case .again:
                connection.challenges += 1
                bind(number, &connection)
            case .failure: drop(number)
            case .success:
                data[number] = nil
                actions.append(.handOver(number))
            }
        } catch {
            drop(number)
        }
    }

    private mutating func bind(_ number: DataConnection, _ connection: inout Data) {
        connection.transaction = newTransaction()
        let request = STUNMessage(
            .request, .connectionBind, transaction: connection.transaction,
            [.connectionID(connection.connectionID)])
        actions.append(.sendData(number, connection.session.encode(request)))
    }

    mutating func drop(_ number: DataConnection) {
        guard data.removeValue(forKey: number) != nil else { return }
        actions.append(.closeData(number))
    }
}
