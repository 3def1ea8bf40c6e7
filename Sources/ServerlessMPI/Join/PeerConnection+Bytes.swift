// How a connection in the making reads and writes, and what an errno of its `connect` means.

import Glibc

extension PeerConnection {
    /// Before the proof of the key everything is in clear, after it through TLS, if there is any.
    var activeTLS: TLSSession? { isAuthenticated ? tls : nil }

    /// nil once `output` is written.
    func flush() -> IOResult? {
        while !output.isEmpty {
            let result = output.withUnsafeBytes { bytes in
                activeTLS?.write(bytes)
                    ?? Socket.write(descriptor, bytes, moreFollows: isTLSNext)
            }
            guard case .bytes(let count) = result else { return result }
            output.removeFirst(count)
        }
        return nil
    }

    /// nil once `input` holds `count` bytes; never reads further than that.
    func fill(_ count: Int) -> IOResult? {
        while input.count < count {
            var chunk = [UInt8](repeating: 0, count: count - input.count)
            let result = chunk.withUnsafeMutableBytes { bytes in
                activeTLS?.read(into: bytes) ?? Socket.read(descriptor, bytes)
            }
            guard case .bytes(let got) = result else { return result }
            input += chunk.prefix(got)
        }
        return nil
    }

    func takeInput() -> [UInt8] {
        defer { input = [] }
        return input
    }

    func describe(_ result: IOResult) -> String {
        switch result {
        case .failed(let failure): failure.reason
        case .endOfStream: "closed by the other end"
        case .bytes, .wouldBlock: "waiting"
        }
    }
}

extension MeshMachine.DialFailure {
    /// What an errno of `connect` means for trying again.
    init(errorNumber: Int32) {
        let text = String(cString: strerror(errorNumber))
        switch errorNumber {
        case ECONNREFUSED, ECONNRESET, ECONNABORTED, EPIPE: self = .refused(text)
        case EADDRNOTAVAIL, EADDRINUSE, EISCONN, EALREADY: self = .taken
        // A router's "unreachable" is often a firewall that has not yet seen our own packet go.
        case EHOSTUNREACH, ETIMEDOUT: self = .refused(text)
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .refused(text)
        default: self = .hopeless(text)
        }
    }
}
