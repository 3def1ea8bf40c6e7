// One connection between two ranks on virtual time: bytes come in order, late and in pieces of any
// size, until it breaks. While it is being made it carries what PeerConnection says, as values; once
// a rank has adopted its end, the engine's own bytes, by way of a local pair of sockets.

import CLinux
import Glibc

@testable import ServerlessMPI

/// What travels on a connection.
enum WireItem {
    /// The connection stands; from the kernel.
    case connected
    case hello(from: Int, to: Int, incarnation: Int)
    case proof
    case nomination(incarnation: Int)
    case bytes([UInt8])
    case end
    case reset
}

/// One end of a connection, in its rank's kernel.
final class WireEnd {
    enum State { case connecting, open, closed }

    let rank: Int
    let local: SocketAddress
    let remote: SocketAddress
    let isDialled: Bool
    let isRelayed: Bool
    var number: MeshMachine.Connection?
    var state = State.connecting
    weak var other: WireEnd?
    var pair: RelayTable.PairID?

    // MARK: Handshake
    var peer: Int?
    var incarnation = 0
    var gotHello = false
    /// What has come and was not looked at yet.
    var inbox: [WireItem] = []

    // MARK: Bytes
    /// This end of the pair whose other end the engine has; -1 before the adoption.
    var socket: Int32 = -1
    var unread: [UInt8] = []
    var hasPeerEnded = false
    var hasEnded = false
    /// A reset has come; what came before it can still be read.
    var isReset = false
    var bytesUnderWay = 0
    /// No packet gets through any more, and nobody has noticed.
    var isBlackHole = false
    var latestArrival: ContinuousClock.Instant?

    init(
        rank: Int, local: SocketAddress, remote: SocketAddress, isDialled: Bool,
        isRelayed: Bool = false
    ) {
        self.rank = rank
        self.local = local
        self.remote = remote
        self.isDialled = isDialled
        self.isRelayed = isRelayed
    }

    deinit { if socket >= 0 { close(socket) } }

    /// The engine gets the other end of a new pair. One byte of the engine's direction always stays
    /// unread: a local socket that is closed with unread bytes is a reset to the other end.
    func adopt() -> Int32 {
        var pair: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
        for socket in pair { _ = fcntl(socket, F_SETFL, O_NONBLOCK) }
        socket = pair[0]
        var unread: UInt8 = 0
        send(pair[1], &unread, 1, 0)
        return pair[1]
    }

    /// This end is no more; the engine reads what there is and then the reset.
    func shut() {
        state = .closed
        unread = []
        if socket >= 0 { close(socket) }
        socket = -1
    }

    /// Gives the engine what has come; false if the engine has closed its end.
    func writeUnread() -> Bool {
        while !unread.isEmpty {
            let count = unread.withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return errno == EAGAIN }
            unread.removeFirst(count)
        }
        if hasPeerEnded { shutdown(socket, Int32(SHUT_WR)) }
        return true
    }

    enum Reading { case bytes([UInt8]), nothing, closed }

    /// What the engine has written, at most so many bytes.
    func readEngine(_ limit: Int) -> Reading {
        var buffer = [UInt8](repeating: 0, count: limit + 1)
        let count = buffer.withUnsafeMutableBytes {
            recv(socket, $0.baseAddress, $0.count, Int32(MSG_PEEK))
        }
        if count > 1 {
            let bytes = Array(buffer[1..<count])
            recv(socket, &buffer, count - 1, 0)
            return .bytes(bytes)
        }
        var watch = pollfd(fd: socket, events: 0, revents: 0)
        poll(&watch, 1, 0)
        return watch.revents & Int16(POLLHUP) != 0 ? .closed : .nothing
    }
}
