// The sockets of connections in the making: accepting, dialling, and each one's way through its
// handshake.

import Glibc

extension MeshConnector {
    /// True if the event was for a socket of this object.
    func handle(_ event: PollEvent) -> Bool {
        if let listener = listeners.first(where: { $0.token == event.token }) {
            acceptAll(listener.descriptor)
        } else if event.token >= Self.firstConnectionToken, event.token != EventPoll.wakeToken {
            let number = MeshMachine.Connection(event.token - Self.firstConnectionToken)
            if let connection = connections[number] { advance(connection) }
        } else {
            return false
        }
        perform()
        return true
    }

    func token(_ connection: PeerConnection) -> UInt64 {
        Self.firstConnectionToken + UInt64(connection.number)
    }

    func acceptAll(_ listener: Int32) {
        guard let identity else { return }
        while let accepted = takeNext(listener) {
            guard let number = machine?.accepted(),
                hasRoom(identity.size + Self.strangerAllowance) || shedStranger()
            else {
                close(accepted.0)
                continue
            }
            admit(accepted.0, number, identity, isRelayed: false)
        }
    }

    func takeNext(_ listener: Int32) -> (Int32, SocketAddress)? {
        do throws(SystemFailure) {
            return try Socket.accept(listener)
        } catch {
            // Out of descriptors: who waits stays readable, and would keep the loop awake.
            if !shedStranger() {
                watchListeners(false)
                listenAgain = .now + Self.acceptPause
            }
            return nil
        }
    }

    /// A peer has come through this rank's relayed address.
    func acceptRelayed(_ descriptor: Int32) {
        guard let identity, let number = machine?.accepted(),
            hasRoom(identity.size + Self.strangerAllowance) || shedStranger()
        else {
            close(descriptor)
            return
        }
        admit(descriptor, number, identity, isRelayed: true)
        perform()
    }

    func admit(
        _ descriptor: Int32, _ number: MeshMachine.Connection, _ identity: PeerIdentity,
        isRelayed: Bool
    ) {
        Socket.tune(descriptor)
        let connection = PeerConnection(
            accepted: descriptor, number: number, identity: identity, isRelayed: isRelayed)
        connections[number] = connection
        poll.watch(descriptor, token(connection), reads: true, writes: false)
        handshakes.append(UInt64(number), deadline: .now + Self.handshakeTimeout)
        advance(connection)
    }

    /// Are fewer connections in the making that others have begun? Own dials are not strangers.
    func hasRoom(_ limit: Int) -> Bool {
        connections.count < limit || connections.values.count { !$0.isDialled } < limit
    }

    /// Closes the accepted connection that has longest not said who it is, or, as a hello may be
    /// a replay, the one that has longest not proven it.
    func shedStranger() -> Bool {
        let unproven = connections.values.filter { !$0.isDialled && !$0.isAuthenticated }
        let strangers = unproven.filter { $0.peer == nil }
        guard
            let oldest = (strangers.isEmpty ? unproven : strangers)
                .min(by: { $0.number < $1.number })
        else { return false }
        refusedCount += 1
        drop(oldest, .refused("it made room for others"))
        return true
    }

    /// Connects from the shared port, or, with a token, from any port to the relay.
    func dial(
        _ number: MeshMachine.Connection, _ peer: Int, _ address: SocketAddress,
        isRelayed: Bool = false, isAfresh: Bool = false, token relayToken: RelayToken? = nil
    ) {
        guard let identity else { return }
        do throws(SystemFailure) {
            let descriptor = try Socket.open(address.ip)
            let connection: PeerConnection
            if let relayToken {
                connection = PeerConnection(
                    relayed: descriptor, number: number, peer: peer, identity: identity,
                    token: relayToken, incarnation: nextIncarnation[peer])
            } else {
                connection = PeerConnection(
                    dialled: descriptor, number: number, peer: peer, identity: identity,
                    isRelayed: isRelayed, incarnation: nextIncarnation[peer])
            }
            connections[number] = connection
            poll.watch(descriptor, token(connection), reads: true, writes: true)
            watchesWrites.insert(number)
            if relayToken == nil, !isAfresh {
                Socket.sharePort(descriptor)
                let own = address.ip.isV4 ? IPAddress.any4 : .any6
                try Socket.bind(descriptor, to: SocketAddress(ip: own, port: port))
            }
            if try Socket.connect(descriptor, to: address) { advance(connection) }
        } catch {
            let failure = MeshMachine.DialFailure(errorNumber: error.errorNumber)
            if let connection = connections[number] {
                drop(connection, failure)
            } else {
                machine?.broke(number, failure, now: .now)
            }
        }
    }

    func advance(_ connection: PeerConnection) {
        let (wasConnecting, hadHeard) = (connection.isConnecting, connection.hasHeard)
        let event = connection.advance()
        if wasConnecting, !connection.isConnecting { machine?.connected(connection.number) }
        if !hadHeard, connection.hasHeard { machine?.met(connection.number) }
        report(event, connection)
        if wasConnecting, !connection.isConnecting, connections[connection.number] != nil {
            handshakes.append(UInt64(connection.number), deadline: .now + Self.handshakeTimeout)
        }
        updateWatch(connection)
    }

    func updateWatch(_ connection: PeerConnection) {
        let number = connection.number
        guard connections[number] != nil,
            connection.wantsWrite != watchesWrites.contains(number)
        else { return }
        if connection.wantsWrite {
            watchesWrites.insert(number)
        } else {
            watchesWrites.remove(number)
        }
        poll.change(
            connection.descriptor, token(connection), reads: true, writes: connection.wantsWrite)
    }

    func report(_ event: PeerConnection.Event?, _ connection: PeerConnection) {
        switch event {
        case nil: break
        case .identified(let peer):
            noteStart(peer, .now)
            let isNewer =
                plans[peer].map(isResumable) == true
                && connection.incarnation >= nextIncarnation[peer]
            if machine?.identified(connection.number, as: peer, isNewer: isNewer) == true {
                report(connection.welcome(incarnation: nextIncarnation[peer]), connection)
            } else {
                drop(connection, .refused("there is a link already"))
            }
        case .authenticated:
            machine?.authenticated(connection.number)
            perform()
            // What follows the proof may have come in the same record.
            if connections[connection.number] != nil { report(connection.advance(), connection) }
        case .nominated: machine?.nominationReceived(connection.number)
        case .nominationSent: machine?.nominationSent(connection.number)
        case .failed(let failure):
            if !connection.isDialled { refusedCount += 1 }
            drop(connection, failure)
        }
    }

    func drop(_ connection: PeerConnection, _ failure: MeshMachine.DialFailure) {
        guard connections.removeValue(forKey: connection.number) != nil else { return }
        closeSocket(connection)
        machine?.broke(connection.number, failure, now: .now)
    }

    func closeSocket(_ connection: PeerConnection) {
        watchesWrites.remove(connection.number)
        poll.forget(connection.descriptor)
        connection.close()
    }
}
