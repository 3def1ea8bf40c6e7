// TURNMachine's hands: the control connection to the TURN server and the data connections until
// they are bound to a peer. It belongs to the control thread, which keeps the allocation alive
// for as long as links go through it.

import CLinux
import Glibc

final class TURNConnector {
    static let controlToken = UInt64(8)
    /// Data connections have the tokens from here on: beyond all of the mesh's connections.
    static let firstDataToken = UInt64(1) << 62
    /// Connections in the making beyond one per rank.
    static let strangerAllowance = 16
    private static let readByteCount = 4096
    /// NAT routers forget an idle connection; some of them soon.
    private static let keepAliveSeconds: Int32 = 20

    /// A socket and what it has yet to write.
    private struct Connection {
        let descriptor: Int32
        var isConnecting: Bool
        var output: [UInt8] = []
        var watchesWrites = true
    }

    private let configuration: TURNConfiguration
    private let poll: EventPoll
    private let dataLimit: Int
    private var addresses: [SocketAddress] = []
    /// The server's address that answered, or is being tried.
    private var address: SocketAddress?
    private var machine: TURNMachine?
    private var control: Connection?
    private var data: [TURNMachine.DataConnection: Connection] = [:]
    private var bound: [Int32] = []
    /// The peers' addresses, by rank.
    private var peers: [IPAddress] = []
    private var deadline = ContinuousClock.now
    private var failure: String?

    /// - Parameter dataLimit: connections of peers that may be in the making at once.
    init(_ configuration: TURNConfiguration, poll: EventPoll, dataLimit: Int) {
        self.configuration = configuration
        self.poll = poll
        self.dataLimit = dataLimit
    }

    /// Begins to ask for a relayed address; `isSettled` is true within `timeout`, if the server's
    /// name is resolved, which blocks.
    func start(timeout: Duration) {
        switch HostIdentity.resolve(configuration.host, port: configuration.port) {
        case .success(let found): addresses = found
        case .failure(let cause): failure = cause.reason
        }
        deadline = .now + min(timeout, TURNMachine.allocationTimeout)
        dialNext()
    }

    var isSettled: Bool { failure != nil || machine?.isSettled == true }

    /// The address that peers may dial, while there is one.
    var candidate: Candidate? {
        machine?.relayedAddress.map { Candidate(kind: .relayed, address: $0) }
    }

    var name: String { configuration.name }

    /// Why there is no relayed address; nil if there is one, or may yet be.
    var trouble: String? { machine?.fault?.reason ?? failure }

    /// Why this peer cannot come through the TURN server; nil if it can.
    func trouble(with peer: Int) -> String? {
        if let trouble { return trouble }
        return peers.indices.contains(peer) ? machine?.denied[peers[peer]]?.reason : nil
    }

    /// Lets all peers connect, whose addresses these are in order of rank.
    func permit(_ peers: [IPAddress], now: ContinuousClock.Instant) {
        self.peers = peers
        machine?.permit(peers, now: now)
        perform()
    }

    /// Every peer has its link. What nobody uses is given back; what carries links is kept.
    func meshIsComplete(_ links: [EstablishedLink?], now: ContinuousClock.Instant) {
        let isUsed = links.contains { link in
            guard let path = link?.path else { return false }
            return path.candidate == .relayed && !path.isDialled
        }
        if isUsed { machine?.stopPermitting() } else { stop(now) }
    }

    /// Connections that carry a peer's bytes from here on; the caller owns them.
    func takeBound() -> [Int32] {
        defer { bound = [] }
        return bound
    }

    var wakeTime: ContinuousClock.Instant? {
        [machine?.nextDeadline, isSettled ? nil : deadline].compactMap(\.self).min()
    }

    func passTime(_ now: ContinuousClock.Instant) {
        if machine == nil, failure == nil, now >= deadline { giveUp(TURNFault.noAnswer.reason) }
        machine?.advance(to: now)
        perform()
    }

    /// Gives the allocation back and closes everything but the peers' connections.
    func stop(_ now: ContinuousClock.Instant) {
        machine?.release(now: now)
        perform()
        closeControl()
        for number in data.keys { closeData(number) }
        for descriptor in takeBound() { close(descriptor) }
    }
}

// MARK: The control connection

extension TURNConnector {
    /// Tries the server's next address; without one left, that is the end of it.
    private func dialNext() {
        guard machine == nil, !isSettled else { return }
        while !addresses.isEmpty {
            let next = addresses.removeFirst()
            address = next
            do throws(SystemFailure) {
                control = try connect(next, Self.controlToken)
                return
            } catch {
                failure = addresses.isEmpty ? error.reason : nil
            }
        }
        if failure == nil { failure = "no address" }
    }

    private func connect(
        _ address: SocketAddress, _ token: UInt64
    ) throws(SystemFailure) -> Connection {
        let descriptor = try Socket.open(address.ip)
        do throws(SystemFailure) {
            Socket.tune(descriptor)
            Socket.setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
            let tcp = Int32(IPPROTO_TCP)
            Socket.setOption(descriptor, tcp, TCP_KEEPIDLE, Self.keepAliveSeconds)
            Socket.setOption(descriptor, tcp, TCP_KEEPINTVL, Self.keepAliveSeconds)
            _ = try Socket.connect(descriptor, to: address)
            poll.watch(descriptor, token, reads: true, writes: true)
            return Connection(descriptor: descriptor, isConnecting: true)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private func giveUp(_ reason: String) {
        closeControl()
        failure = reason
    }

    private func closeControl() {
        guard let connection = control else { return }
        poll.forget(connection.descriptor)
        close(connection.descriptor)
        control = nil
    }

    /// True if the event was for a socket of this object.
    func handle(_ event: PollEvent) -> Bool {
        if event.token == Self.controlToken {
            controlMoved()
        } else if event.token >= Self.firstDataToken, event.token != EventPoll.wakeToken {
            dataMoved(TURNMachine.DataConnection(event.token - Self.firstDataToken))
        } else {
            return false
        }
        perform()
        return true
    }

    private func controlMoved() {
        guard let connection = control else { return }
        if connection.isConnecting {
            let number = Socket.pendingError(connection.descriptor)
            guard number == 0 else {
                closeControl()
                let reason = String(cString: strerror(number))
                if addresses.isEmpty { giveUp(reason) } else { dialNext() }
                return
            }
            guard Socket.remoteAddress(connection.descriptor) != nil else { return }
            control?.isConnecting = false
            var machine = TURNMachine(
                configuration, isV6: address?.ip.isV4 == false, dataLimit: dataLimit,
                seed: UInt64.random(in: 0 ... .max), deadline: deadline)
            machine.connected(now: .now)
            self.machine = machine
        }
        readControl(connection.descriptor)
        perform()
        write(&control, Self.controlToken)
    }

    private func readControl(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: Self.readByteCount)
        while machine?.fault == nil {
            switch buffer.withUnsafeMutableBytes({ Socket.read(descriptor, $0) }) {
            case .bytes(let count): machine?.received(buffer.prefix(count), now: .now)
            case .wouldBlock: return
            case .endOfStream: machine?.lost("it closed the connection")
            case .failed(let cause): machine?.lost(cause.reason)
            }
        }
    }

    /// Writes what there is to write; a broken connection shows when it is read.
    private func write(_ connection: inout Connection?, _ token: UInt64) {
        guard var moved = connection, !moved.isConnecting else { return }
        while !moved.output.isEmpty {
            let result = moved.output.withUnsafeBytes { Socket.write(moved.descriptor, $0) }
            guard case .bytes(let count) = result else {
                if case .failed = result { moved.output = [] }
                break
            }
            moved.output.removeFirst(count)
        }
        if moved.watchesWrites != !moved.output.isEmpty {
            moved.watchesWrites = !moved.output.isEmpty
            poll.change(moved.descriptor, token, reads: true, writes: moved.watchesWrites)
        }
        connection = moved
    }
}

// MARK: Data connections

extension TURNConnector {
    private func dataToken(_ number: TURNMachine.DataConnection) -> UInt64 {
        Self.firstDataToken + UInt64(number)
    }

    private func openData(_ number: TURNMachine.DataConnection) {
        guard let address, let connection = try? connect(address, dataToken(number)) else {
            machine?.dataLost(number)
            return
        }
        data[number] = connection
    }

    private func dataMoved(_ number: TURNMachine.DataConnection) {
        guard let connection = data[number] else { return }
        if connection.isConnecting {
            guard Socket.pendingError(connection.descriptor) == 0 else { return loseData(number) }
            guard Socket.remoteAddress(connection.descriptor) != nil else { return }
            data[number]?.isConnecting = false
            machine?.dataConnected(number)
        }
        readData(number, connection.descriptor)
        perform()
        write(&data[number], dataToken(number))
    }

    /// Reads the server's answer and nothing of what the peer says after it.
    private func readData(_ number: TURNMachine.DataConnection, _ descriptor: Int32) {
        while let wanted = machine?.neededByteCount(number), wanted > 0 {
            var buffer = [UInt8](repeating: 0, count: min(wanted, Self.readByteCount))
            switch buffer.withUnsafeMutableBytes({ Socket.read(descriptor, $0) }) {
            case .bytes(let count): machine?.dataReceived(number, buffer.prefix(count))
            case .wouldBlock: return
            case .endOfStream, .failed: return loseData(number)
            }
        }
    }

    private func loseData(_ number: TURNMachine.DataConnection) {
        machine?.dataLost(number)
        closeData(number)
    }

    private func closeData(_ number: TURNMachine.DataConnection) {
        guard let connection = data.removeValue(forKey: number) else { return }
        poll.forget(connection.descriptor)
        close(connection.descriptor)
    }

    private func perform() {
        while let actions = machine?.takeActions(), !actions.isEmpty {
            for action in actions {
                switch action {
                case .send(let bytes):
                    control?.output += bytes
                    write(&control, Self.controlToken)
                case .openData(let number): openData(number)
                case .sendData(let number, let bytes):
                    data[number]?.output += bytes
                    write(&data[number], dataToken(number))
                case .handOver(let number):
                    guard let connection = data.removeValue(forKey: number) else { continue }
                    poll.forget(connection.descriptor)
                    bound.append(connection.descriptor)
                case .closeData(let number): closeData(number)
                case .closeControl: closeControl()
                }
            }
        }
    }
}
