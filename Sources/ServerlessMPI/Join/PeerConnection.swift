// One connection to another rank while it is being made: hello, proof of the key, nomination.
// It reads exactly what belongs to these, so that whatever follows is left for the engine.

import Glibc

final class PeerConnection {
    enum Event {
        /// An accepted connection has shown whom it comes from; go on only if this is wanted.
        case identified(Int)
        case authenticated
        /// The higher rank: the other end wants this connection.
        case nominated
        /// The lower rank: the nomination is on its way.
        case nominationSent
        case failed(MeshMachine.DialFailure)
    }

    private enum Phase {
        case connecting
        case awaitingHello
        case authenticating
        /// Mode `none`: waiting for the other end's proof.
        case awaitingProof
        case authenticated
        case nominating
        case awaitingNomination
        case finished
    }

    let number: MeshMachine.Connection
    let descriptor: Int32
    let isDialled: Bool
    /// A relay forwards the bytes: it sees ciphertext only, whatever the job's mode.
    let isRelayed: Bool
    private(set) var peer: Int?
    /// The number of this connection among those of the pair: the higher of what both ends say, as
    /// one may have had a connection of which the other never learnt.
    private(set) var incarnation: Int
    private(set) var tls: TLSSession?
    private let identity: PeerIdentity
    /// A flight of TLS follows what is to be written, and shares its segment.
    private(set) var isTLSNext = false
    private var phase: Phase
    private var keys: PairKeys?
    private var ownHello: [UInt8] = []
    private var theirHello: [UInt8] = []
    var input: [UInt8] = []
    var output: [UInt8] = []
    /// What a relay wants to see before anything else.
    private var preamble: [UInt8] = []

    /// A socket of our own that is connecting, or has connected.
    init(
        dialled descriptor: Int32, number: MeshMachine.Connection, peer: Int,
        identity: PeerIdentity, isRelayed: Bool = false, incarnation: Int = 0
    ) {
        self.incarnation = incarnation
        self.number = number
        self.descriptor = descriptor
        self.identity = isRelayed ? identity.overRelay : identity
        self.peer = peer
        self.isRelayed = isRelayed
        isDialled = true
        phase = .connecting
    }

    /// A socket that is connecting to a relay, to which it shows `token`.
    init(
        relayed descriptor: Int32, number: MeshMachine.Connection, peer: Int,
        identity: PeerIdentity, token: RelayToken, incarnation: Int = 0
    ) {
        self.incarnation = incarnation
        self.number = number
        self.descriptor = descriptor
        self.identity = identity.overRelay
        self.peer = peer
        isDialled = true
        isRelayed = true
        phase = .connecting
        preamble = Preamble(.relay, id: token.bytes).encoded
    }

    /// A socket from the listener, or one that a TURN server has bound to a peer.
    init(
        accepted descriptor: Int32, number: MeshMachine.Connection, identity: PeerIdentity,
        isRelayed: Bool = false
    ) {
        incarnation = 0
        self.number = number
        self.descriptor = descriptor
        self.identity = isRelayed ? identity.overRelay : identity
        self.isRelayed = isRelayed
        isDialled = false
        phase = .awaitingHello
    }

    var isConnecting: Bool { if case .connecting = phase { true } else { false } }

    var isAuthenticated: Bool {
        switch phase {
        case .authenticated, .nominating, .awaitingNomination, .finished: true
        default: false
        }
    }

    var wantsWrite: Bool {
        if case .connecting = phase { return true }
        if !output.isEmpty { return true }
        if let tls, case .authenticating = phase { return tls.interest == .write }
        return false
    }

    /// Has the peer shown a hello that only it could make?
    var hasHeard: Bool {
        switch phase {
        case .connecting, .awaitingHello: false
        default: true
        }
    }

    private var isLow: Bool { identity.rank < (peer ?? 0) }

    /// Goes as far as it can; the next event, or nil if it must wait for the socket.
    func advance() -> Event? {
        switch flush() {
        case nil: break
        case .wouldBlock: return nil
        case let other?: return .failed(.refused(describe(other)))
        }
        switch phase {
        case .connecting: return connected()
        case .awaitingHello: return readHello()
        case .authenticating: return shakeHands()
        case .awaitingProof: return readProof()
        case .authenticated, .finished: return nil
        case .nominating:
            phase = .finished
            return .nominationSent
        case .awaitingNomination: return readNomination()
        }
    }

    func close() {
        tls = nil
        Glibc.close(descriptor)
    }
}

// MARK: Hello

extension PeerConnection {
    private func connected() -> Event? {
        let number = Socket.pendingError(descriptor)
        guard number == 0 else { return .failed(.init(errorNumber: number)) }
        guard Socket.remoteAddress(descriptor) != nil else { return nil }  // still connecting
        Socket.tune(descriptor)
        phase = .awaitingHello
        output = preamble
        sendHello()
        // The lower rank's first TLS flight follows its hello at once and saves half a round trip.
        if isLow, identity.encryption == .on, let failure = startTLS() { return failure }
        if let tls {
            tls.holdReads(true)
            if case .failed(let failure)? = flush() {
                return .failed(.refused(failure.reason))
            }
            if output.isEmpty { _ = tls.handshake() }
        }
        return advance()
    }

    private func sendHello() {
        guard let peer else { return }
        let keys = self.keys ?? identity.keys(with: peer)
        self.keys = keys
        ownHello = makeHello(to: peer).encoded(key: keys.hello)
        output += ownHello
        // The higher rank that has dialled must first hear from the lower one.
        isTLSNext = identity.encryption == .on && (isLow || !isDialled)
    }

    private func makeHello(to peer: Int) -> PeerHello {
        let nonce = Secret.random(byteCount: PeerHello.nonceByteCount).withBytes { Array($0) }
        return PeerHello(
            encryption: identity.encryption, epoch: identity.epoch, sender: identity.rank,
            receiver: peer, jobTag: identity.jobTag, nonce: nonce, incarnation: incarnation)
    }

    private func readHello() -> Event? {
        switch fill(PeerHello.byteCount) {
        case nil: break
        case .wouldBlock: return nil
        case let other?: return .failed(.refused(describe(other)))
        }
        theirHello = takeInput()
        do throws(MalformedMessage) {
            let hello = try PeerHello(decoding: theirHello)
            do throws(MalformedMessage) {
                try check(hello)
            } catch {
                explain(to: hello)
                throw error
            }
        } catch {
            return .failed(.hopeless(error.reason))
        }
        phase = .authenticating
        return isDialled ? advance() : .identified(peer ?? 0)
    }

    /// The one who accepted answers the hello, once it is wanted.
    func welcome(incarnation own: Int = 0) -> Event? {
        incarnation = max(incarnation, own)
        sendHello()
        return advance()
    }

    /// One who has dialled and seems to belong to this job is shown this rank's hello before the
    /// door closes, so that its user, too, learns what does not fit: the key, the mode, the epoch.
    /// It has proven nothing, so it gets no MAC, which it could replay to others.
    private func explain(to hello: PeerHello) {
        guard !isDialled, hello.jobTag == identity.jobTag, hello.sender < identity.size,
            hello.sender != identity.rank, hello.receiver == identity.rank
        else { return }
        output += makeHello(to: hello.sender).encodedWithoutProof
        _ = flush()
    }

    /// Is this hello meant for this rank, and made with the key of the pair?
    private func check(_ hello: PeerHello) throws(MalformedMessage) {
        guard hello.jobTag == identity.jobTag else {
            throw MalformedMessage(reason: "it belongs to another job")
        }
        guard hello.epoch == identity.epoch else {
            throw MalformedMessage(
                reason: "it belongs to epoch \(hello.epoch), this rank to \(identity.epoch)")
        }
        guard hello.receiver == identity.rank, hello.sender != identity.rank,
            hello.sender < identity.size, peer == nil || hello.sender == peer
        else { throw MalformedMessage(reason: "another rank is at this address") }
        guard hello.encryption == identity.encryption else {
            throw MalformedMessage(
                reason: "it has encryption \(hello.encryption), this rank"
                    + " \(identity.encryption): give every rank the same join URL")
        }
        let keys = self.keys ?? identity.keys(with: hello.sender)
        guard PeerHello.isAuthentic(theirHello, key: keys.hello) else {
            throw MalformedMessage(
                reason: "it does not have this job's peer secret: give every rank the same"
                    + " \(JoinConfiguration.Variable.peerSecret)")
        }
        self.keys = keys
        peer = hello.sender
        incarnation = max(incarnation, hello.incarnation)
    }
}

// MARK: Proof of the key

extension PeerConnection {
    private func startTLS() -> Event? {
        guard let keys else { return .failed(.hopeless("no key")) }
        do throws(IOFailure) {
            tls = try TLSSession(
                role: isLow ? .client : .server, fileDescriptor: descriptor,
                credentials: PSKCredentials(identity: PairKeys.tlsIdentity, key: keys.tls))
            return nil
        } catch {
            return .failed(.refused(error.reason))
        }
    }

    private func shakeHands() -> Event? {
        guard identity.encryption == .on else { return beginProof() }
        if tls == nil, let failure = startTLS() { return failure }
        guard let tls else { return .failed(.hopeless("no TLS session")) }
        tls.holdReads(false)
        isTLSNext = false
        // A direct connection is nominated at once, unless another one already is.
        switch tls.handshake(writesNext: !isRelayed) {
        case nil: return becomeAuthenticated()
        case .wouldBlock, .bytes: return nil
        case .endOfStream: return .failed(.refused("closed during the TLS handshake"))
        case .failed(let failure):
            let cause = failure.reason
            return .failed(failure.isRefusal ? .hopeless(cause) : .refused(cause))
        }
    }

    /// Mode `none`: the lower rank proves itself first; the higher one answers a good proof only.
    private func beginProof() -> Event? {
        phase = .awaitingProof
        if isLow { sendProof() }
        return advance()
    }

    private func sendProof() {
        guard let keys else { return }
        let (low, high) = isLow ? (ownHello, theirHello) : (theirHello, ownHello)
        output += PeerProof.make(byLow: isLow, low: low, high: high, key: keys.proof)
    }

    private func readProof() -> Event? {
        switch fill(PeerProof.byteCount) {
        case nil: break
        case .wouldBlock: return nil
        case let other?: return .failed(.refused(describe(other)))
        }
        let (low, high) = isLow ? (ownHello, theirHello) : (theirHello, ownHello)
        guard let keys,
            PeerProof.isValid(takeInput(), byLow: !isLow, low: low, high: high, key: keys.proof)
        else { return .failed(.hopeless("its proof of the peer secret is wrong")) }
        if !isLow { sendProof() }
        return becomeAuthenticated()
    }

    private func becomeAuthenticated() -> Event? {
        phase = isLow ? .authenticated : .awaitingNomination
        return .authenticated
    }
}

// MARK: Nomination

extension PeerConnection {
    /// The lower rank wants this connection.
    func nominate() -> Event? {
        phase = .nominating
        output += Nomination.bytes(incarnation)
        return advance()
    }

    private func readNomination() -> Event? {
        switch fill(Nomination.byteCount) {
        case nil: break
        case .wouldBlock: return nil
        case let other?: return .failed(.refused(describe(other)))
        }
        guard takeInput() == Nomination.bytes(incarnation) else {
            return .failed(.hopeless("it broke the protocol"))
        }
        phase = .finished
        return .nominated
    }
}
