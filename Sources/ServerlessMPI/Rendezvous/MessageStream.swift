// Messages over one TLS connection between a rank and the rendezvous server: a 32-bit length,
// then that many bytes. Both ends use it. It owns the descriptor, bounds what the other end can
// make it hold, and never blocks.

import CLinux
import Glibc

/// One end of a rendezvous connection.
final class MessageStream {
    enum Status: Equatable {
        case open
        /// The other end closed its direction.
        case ended
        case failed(IOFailure)
    }

    let descriptor: Int32
    private let tls: TLSSession
    private let maximumMessageByteCount: Int
    private let maximumOutputByteCount: Int
    private var input: [UInt8] = []
    private var output = OutputQueue()
    private(set) var isHandshaken = false

    /// Takes over `descriptor`, which is nonblocking and connected (or about to be).
    init(
        descriptor: Int32, role: TLSSession.Role, credentials: PSKCredentials,
        maximumMessageByteCount: Int, maximumOutputByteCount: Int
    ) throws(IOFailure) {
        tls = try TLSSession(role: role, fileDescriptor: descriptor, credentials: credentials)
        tls.releaseIdleBuffers()
        self.descriptor = descriptor
        self.maximumMessageByteCount = maximumMessageByteCount
        self.maximumOutputByteCount = maximumOutputByteCount
    }

    /// Which job the client proved to belong to: on a server, after the handshake.
    var provenIdentity: [UInt8]? { tls.provenIdentity }

    /// Should the owner watch for writability?
    var wantsWrite: Bool {
        isHandshaken ? !output.isEmpty : tls.interest == .write
    }

    /// Goes on with handshake, output and input, whatever can move; hands each whole message over.
    func advance(_ receive: (ArraySlice<UInt8>) -> Void) -> Status {
        if !isHandshaken {
            switch tls.handshake(writesNext: !output.isEmpty) {
            case nil: isHandshaken = true
            case .wouldBlock, .bytes: return .open
            case .endOfStream: return .ended
            case .failed(let failure): return .failed(failure)
            }
        }
        let written = flush()
        // What the other end said before it closed still counts.
        let read = drain(receive)
        return read == .open ? written : read
    }

    /// Queues one message and writes what the socket takes.
    func send(_ message: [UInt8]) -> Status {
        output.append(message)
        guard output.byteCount <= maximumOutputByteCount else {
            return .failed(IOFailure(reason: "the other end does not read its messages"))
        }
        return isHandshaken ? flush() : .open
    }

    private func flush() -> Status {
        while !output.isEmpty {
            switch output.withFront({ tls.write($0) }) {
            case .bytes(let count): output.consume(count)
            case .wouldBlock: return .open
            case .endOfStream: return .ended
            case .failed(let failure): return .failed(failure)
            }
        }
        return .open
    }

    private func drain(_ receive: (ArraySlice<UInt8>) -> Void) -> Status {
        while true {
            var result = IOResult.wouldBlock
            let filled = input.count
            input += [UInt8](repeating: 0, count: 4096)
            input.withUnsafeMutableBytes { bytes in
                result = tls.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[filled...]))
            }
            let count = if case .bytes(let count) = result { count } else { 0 }
            input.removeLast(input.count - filled - count)
            switch result {
            case .bytes:
                if let failure = deliver(receive) { return .failed(failure) }
            case .wouldBlock: return .open
            case .endOfStream: return .ended
            case .failed(let failure): return .failed(failure)
            }
        }
    }

    /// Hands over every whole message in `input`.
    private func deliver(_ receive: (ArraySlice<UInt8>) -> Void) -> IOFailure? {
        var position = 0
        while input.count - position >= 4 {
            let length = input[position..<position + 4].reversed()
                .reduce(0) { $0 << 8 | Int($1) }
            guard (1...maximumMessageByteCount).contains(length) else {
                return IOFailure(reason: "a message of \(length) bytes")
            }
            guard input.count - position - 4 >= length else { break }
            receive(input[position + 4..<position + 4 + length])
            position += 4 + length
        }
        input.removeFirst(position)
        return nil
    }

    /// Says that nothing more will come from this end; the other end can still be read.
    func finishWriting() {
        tls.closeForWriting()
        shutdown(descriptor, Int32(SHUT_WR))
    }

    /// Ends the TLS session and the connection.
    func close() {
        tls.closeForWriting()
        Glibc.close(descriptor)
    }
}
