// A member rank that lies to its peer about lengths, credit, positions and itself. Its own job
// must fail, with its name; the job beside it goes on.

import CLinux
import Glibc
import MessagePassing
import Synchronization

@testable import ServerlessMPI

/// A job of two: rank 0 is an honest rank that waits for a message, rank 1 is the liar.
enum LyingJob {
    /// What the honest rank heard, whose receive is one word long or of any length.
    static func run(
        _ world: HostileWorld, job: String, resume: ResumePolicy = .never,
        encryption: EncryptionMode = .none, patience: Int = 4000,
        receivesAnyLength: Bool = false,
        lie: (EstablishedLink) -> Void
    ) throws -> MPIError {
        let tokens = world.server.mintTokens(job: job)
        var url = world.world.url
        url.job = job
        url.size = 2
        url.resume = resume
        url.encryption = encryption
        url.resumeTimeout = .seconds(1)
        url.timeout = .seconds(15)
        let configuration = JoinConfiguration(
            url: url, serverKey: tokens.serverKey, peerSecret: tokens.peerSecret)
        let heard = Mutex<MPIError?>(nil)
        let honest = RankThread { [configuration] in
            var configuration = configuration
            configuration.rank = 0
            do throws(RankFailure) {
                _ = try runRank(of: configuration) { world in
                    if receivesAnyLength {
                        _ = try world.recv(Int.self, from: 1, tag: 4000)
                    } else {
                        var word = [0]
                        try world.recv(into: word.mutableSpan, from: 1, tag: 4000)
                    }
                }
            } catch {
                heard.withLock { $0 = error.cause }
            }
        }
        var liar = configuration
        liar.rank = 1
        let outcome = JoinWorld.joinAndConnect(liar)
        if let link = outcome.links.first ?? nil {
            lie(link)
            // Long enough for the honest rank to see the lie before the end of the stream.
            for _ in 0..<patience where heard.withLock({ $0 == nil }) && !isClosed(link) {
                usleep(1000)
            }
            if heard.withLock({ $0 == nil }) { shutdown(link.fileDescriptor, Int32(SHUT_RDWR)) }
        }
        outcome.end()
        honest.join()
        guard let cause = heard.withLock({ $0 }) else {
            throw HostileWorld.Unrefused("the honest rank heard nothing: \(outcome.error as Any)")
        }
        return cause
    }

    private static func isClosed(_ link: EstablishedLink) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            switch buffer.withUnsafeMutableBytes({ Socket.read(link.fileDescriptor, $0) }) {
            case .bytes: continue
            case .wouldBlock: return false
            case .endOfStream, .failed: return true
            }
        }
    }

    static func bytes(_ header: FrameHeader, length: UInt64? = nil) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { target in
            if let base = target.baseAddress { header.encode(into: base) }
        }
        if let length {
            withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(32..<40, with: $0) }
        }
        return bytes
    }

    /// One frame's header, within two seconds.
    static func readHeader(_ link: EstablishedLink) -> FrameHeader? {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        for _ in 0..<2000 {
            guard
                case .bytes(bytes.count) = bytes.withUnsafeMutableBytes({
                    Socket.read(link.fileDescriptor, $0)
                })
            else {
                usleep(1000)
                continue
            }
            return bytes.withUnsafeBytes { bytes in
                bytes.baseAddress.flatMap { try? FrameHeader.parse($0) }
            }
        }
        return nil
    }

    static func write(_ bytes: [UInt8], _ link: EstablishedLink) {
        var sent = 0
        for _ in 0..<3000 where sent < bytes.count {
            let result = bytes[sent...].withUnsafeBytes {
                link.tls?.write($0) ?? Socket.write(link.fileDescriptor, $0)
            }
            switch result {
            case .bytes(let count): sent += count
            case .wouldBlock: usleep(1000)
            case .endOfStream, .failed: return
            }
        }
    }
}

extension HostileCase {
    static let liarCases: [HostileCase] = FrameType.allCases.map(lengths) + lies

    /// One frame type with the length field at 0, 1, the most allowed, one more, and 2⁶⁴ − 1.
    private static func lengths(of type: FrameType) -> HostileCase {
        HostileCase("lengths 0, 1, max, max + 1 and 2⁶⁴ − 1 in a frame: \(type)", .rank) { world in
            let most: UInt64 =
                switch type {
                case .eager: UInt64(FrameLimit.eagerByteCountMax)
                case .abort: UInt64(FrameLimit.abortByteCountMax)
                case .requestToSend, .clearToSend, .rendezvousData, .storedMessage, .resume:
                    UInt64(FrameLimit.messageByteCountMax)
                case .credit, .bye, .receipt, .storedPayload: 0
                }
            var refusals = 0
            for (number, length) in [0, 1, most, most + 1, .max].enumerated() {
                var header = WireTests.sample(type)
                header.source = type == .eager || type == .requestToSend ? 1 : header.source
                if header.type.isCounted { header.sequence = 1 }
                if header.contextID != 0 { header.contextID = worldContextID }
                header.call = 0
                header.acknowledged = 0
                let cause = try LyingJob.run(world, job: "lengths-\(type)-\(number)", patience: 200)
                {
                    link in
                    LyingJob.write(
                        LyingJob.bytes(header, length: length)
                            + [UInt8](repeating: 1, count: length == 1 ? 1 : 0), link)
                }
                try expectBlame(cause, "length \(length)")
                if cause.reason.contains("protocol") { refusals += 1 }
            }
            let isPossible = type == .storedPayload ? 0 : 2
            guard refusals >= isPossible else {
                throw HostileWorld.Unrefused("only \(refusals) of 5 break the protocol")
            }
            return "job failed with its name 5 times, \(refusals) for the protocol"
        }
    }

    private static func expectBlame(_ cause: MPIError, _ what: String) throws {
        guard cause.code == .peerLost || cause.code == .mismatchedCollective, cause.peer == 1
        else {
            // An abort is told in the aborter's own words.
            if cause.reason.contains("garbled") { return }
            throw HostileWorld.Unrefused("\(what): \(cause)")
        }
    }

    /// Frames that are well formed and false, for which the job fails with these words.
    private static func lie(
        _ name: String, _ reason: String, resume: ResumePolicy = .never,
        encryption: EncryptionMode = .none, patience: Int = 4000,
        receivesAnyLength: Bool = false, _ frames: @escaping @Sendable () -> [UInt8]
    ) -> HostileCase {
        HostileCase(name, .rank) { world in
            let cause = try LyingJob.run(
                world, job: "lie", resume: resume, encryption: encryption, patience: patience,
                receivesAnyLength: receivesAnyLength
            ) { LyingJob.write(frames(), $0) }
            guard cause.peer == 1, cause.reason.contains(reason) else {
                throw HostileWorld.Unrefused("\(cause)")
            }
            return "job failed with its name: \(reason)"
        }
    }

    private static func eager(
        _ sequence: UInt32, byteCount: Int, source: Int32 = 1, context: UInt64 = worldContextID
    ) -> [UInt8] {
        LyingJob.bytes(
            FrameHeader(
                type: .eager, source: source, tag: 1, sequence: sequence, contextID: context,
                payloadByteCount: byteCount))
            + [UInt8](repeating: 5, count: byteCount)
    }

    /// Of a message that the honest rank waits for.
    private static func announcement(byteCount: Int) -> [UInt8] {
        LyingJob.bytes(
            FrameHeader(
                type: .requestToSend, source: 1, tag: 4000, sequence: 1,
                contextID: worldContextID, payloadByteCount: byteCount, reply: 9))
    }

    private static let lies: [HostileCase] = [
        HostileCase("eager messages beyond the credit", .rank) { world in
            // The window of a job of two is 32 MiB.
            let cause = try LyingJob.run(world, job: "lie") { link in
                for number in UInt32(1)...40 {
                    LyingJob.write(eager(number, byteCount: 1 << 20), link)
                }
            }
            try expectBlame(cause, "credit")
            guard cause.reason.contains("more than its credit") else {
                throw HostileWorld.Unrefused("\(cause)")
            }
            return "job failed with its name: more than its credit"
        },
        lie("a frame left out", "a frame is missing") { eager(2, byteCount: 10) },
        lie("a frame twice", "a frame is missing") {
            eager(1, byteCount: 10) + eager(1, byteCount: 10)
        },
        lie("a message in another rank's name", "claims to come from another rank") {
            eager(1, byteCount: 10, source: 0)
        },
        lie("a message in the name of a rank beyond the size", "claims to come from another rank") {
            eager(1, byteCount: 10, source: 500)
        },
        lie("messages for communicators that nobody made", "claims to come from another rank") {
            (1...4200).flatMap { eager($0, byteCount: 0, context: UInt64($0) + 1000) }
        },
        lie("a payload that nobody asked for", "a payload nobody asked for") {
            LyingJob.bytes(
                FrameHeader(
                    type: .rendezvousData, sequence: 1, payloadByteCount: 1 << 40, request: 77))
        },
        lie("a clear to send that nobody waits for", "a payload nobody announced") {
            LyingJob.bytes(
                FrameHeader(
                    type: .clearToSend, sequence: 1, payloadByteCount: 1 << 40, request: 77,
                    reply: 1))
        },
        HostileCase("a payload longer than was granted", .rank) { world in
            let cause = try LyingJob.run(world, job: "lie") { link in
                LyingJob.write(announcement(byteCount: 8), link)
                var header = LyingJob.readHeader(link)
                while header?.type == .credit { header = LyingJob.readHeader(link) }
                LyingJob.write(
                    LyingJob.bytes(
                        FrameHeader(
                            type: .rendezvousData, sequence: 2, payloadByteCount: 1 << 40,
                            request: header?.reply ?? 1)), link)
            }
            try expectBlame(cause, "grant")
            guard cause.reason.contains("a payload nobody asked for") else {
                throw HostileWorld.Unrefused("\(cause)")
            }
            return "job failed with its name: a payload nobody asked for"
        },
        lie(
            "a message of 1 TiB announced to a receive of any length", "this machine's memory",
            receivesAnyLength: true
        ) {
            announcement(byteCount: 1 << 40)
        },
        lie("a receipt on a link that has none", "acknowledges what nobody sent") {
            LyingJob.bytes(FrameHeader(type: .receipt, sequence: 1))
        },
        lie("an acknowledgement of what was never sent", "acknowledges", resume: .always) {
            LyingJob.bytes(FrameHeader(type: .credit, acknowledged: 1000))
        },
        lie("a resume that nobody waits for", "where it stands", resume: .always) {
            LyingJob.bytes(FrameHeader(type: .resume, request: 1, acknowledged: 1 << 30))
        },
        lie("a payload in a store that nobody has", "a store that nobody has") {
            LyingJob.bytes(
                FrameHeader(
                    type: .storedMessage, source: 1, tag: 1, sequence: 1,
                    contextID: worldContextID, payloadByteCount: 1, request: 200, reply: 1))
        },
        lie("noise where a frame begins", "wrong magic") { HostileTests.noise(4, 4096) },
        lie("noise where a frame begins, inside TLS", "wrong magic", encryption: .on) {
            HostileTests.noise(4, 4096)
        },
        lie("half a frame, and the end", "without a bye", patience: 100) {
            Array(eager(1, byteCount: 100).prefix(90))
        },
        HostileCase("noise where a TLS record begins", .rank) { world in
            let cause = try LyingJob.run(world, job: "lie", encryption: .on) { link in
                _ = HostileTests.noise(5, 4096).withUnsafeBytes {
                    Socket.write(link.fileDescriptor, $0)
                }
            }
            guard cause.code == .peerLost, cause.peer == 1 else {
                throw HostileWorld.Unrefused("\(cause)")
            }
            return "job failed with its name"
        },
        HostileCase("another collective than the rest", .rank) { world in
            let cause = try LyingJob.run(world, job: "lie") { link in
                LyingJob.write(
                    LyingJob.bytes(
                        FrameHeader(
                            type: .eager, source: 9_999_999, tag: 1, sequence: 1,
                            contextID: worldContextID, call: .max, payloadByteCount: 4)), link)
            }
            try expectBlame(cause, "call")
            return "job failed with its name"
        },
    ]
}
