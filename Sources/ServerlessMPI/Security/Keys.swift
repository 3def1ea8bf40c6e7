// Every key of the protocol and what it is derived from. Two secrets exist: the operator's, from
// which the server derives one key per job, and the job's peer secret, which only its ranks know.
// docs/PROTOCOL.md ("Keys") lists these derivations byte by byte.

import COpenSSL

/// The version of the protocol: part of every key, so that versions cannot be mixed up.
let protocolVersion: UInt16 = 1

/// What the holder of the operator's secret derives for one job.
struct ServerKeys {
    /// The TLS key between the server and the job's ranks.
    let serverKey: Secret
    /// Authenticates tickets; never leaves the server.
    let ticketKey: Secret

    init(operatorSecret: Secret, job: String) {
        serverKey = KeyDerivation.hkdf(
            operatorSecret, salt: Array("serverless-mpi/1 server".utf8), info: Array(job.utf8))
        ticketKey = KeyDerivation.hkdf(
            operatorSecret, salt: Array("serverless-mpi/1 ticket".utf8), info: Array(job.utf8))
    }

    /// The PSK identity of a job: the prefix, then the job's name.
    static let identityPrefix = Array("smpi1/".utf8)

    static func identity(job: String) -> [UInt8] { identityPrefix + Array(job.utf8) }

    /// The job an identity names, if it is well formed.
    static func job(identity: UnsafeBufferPointer<UInt8>) -> String? {
        guard identity.starts(with: identityPrefix),
            identity.count <= identityPrefix.count + JoinURL.maximumJobByteCount,
            let job = String(
                validating: identity.dropFirst(identityPrefix.count), as: UTF8.self),
            JoinURL.isJobName(job)
        else { return nil }
        return job
    }

    /// Proof that the server gave this rank to this request.
    func ticket(epoch: UInt64, rank: Int, requestID: RequestID) -> [UInt8] {
        KeyDerivation.authenticate(
            ticketMessage(epoch: epoch, rank: rank, requestID: requestID), with: ticketKey)
    }

    func isTicket(
        _ ticket: [UInt8], epoch: UInt64, rank: Int, requestID: RequestID
    ) -> Bool {
        KeyDerivation.isAuthentic(
            ticketMessage(epoch: epoch, rank: rank, requestID: requestID), ticket, with: ticketKey)
    }

    private func ticketMessage(epoch: UInt64, rank: Int, requestID: RequestID) -> [UInt8] {
        var message = ByteWriter()
        message.write(epoch)
        message.write(UInt32(rank))
        message.write(bytes: requestID.bytes)
        return message.bytes
    }
}

/// What two ranks of one job share and nobody else has.
struct PairKeys {
    /// Authenticates hellos.
    let hello: Secret
    /// The TLS key, in encryption mode `on`.
    let tls: Secret
    /// Authenticates proofs, in encryption mode `none`.
    let proof: Secret
    /// Announced in the TLS ClientHello. It names nothing: the hello before it did.
    static let tlsIdentity = Array("smpi1-peer".utf8)

    init(
        peerSecret: Secret, job: String, epoch: UInt64, low: Int, high: Int,
        encryption: EncryptionMode
    ) {
        var info = ByteWriter()
        info.write(protocolVersion)
        info.write(encryption.rawValue)
        info.write(epoch)
        info.write(UInt32(low))
        info.write(UInt32(high))
        info.write(bytes: job.utf8)
        let pair = KeyDerivation.hkdf(
            peerSecret, salt: Array("serverless-mpi/1 pair".utf8), info: info.bytes)
        func part(_ name: String) -> Secret {
            KeyDerivation.hkdf(pair, salt: [], info: Array(name.utf8))
        }
        hello = part("hello")
        tls = part("tls")
        proof = part("proof")
    }
}
