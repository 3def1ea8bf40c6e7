// The join URL: where the rendezvous server is, which job and epoch this rank belongs to, and
// what all ranks of the job agree on. It holds no secret, so it may be shown and logged.

import MessagePassing

/// Are the bytes between ranks encrypted? Fixed per job by the launcher, never negotiated.
public enum EncryptionMode: UInt8, Sendable, CustomStringConvertible {
    /// Peers prove who they are, then payload travels in clear.
    case none = 0
    /// TLS 1.3.
    case on = 1

    public var description: String { self == .on ? "on" : "none" }
}

/// Which links between ranks are made again when they break.
public enum ResumePolicy: String, Sendable {
    /// Those that leave a host: within one they do not break before a rank dies.
    case auto
    /// All, for tests and measurements.
    case always
    /// None: a broken link is the end of the job.
    case never
}

/// Which kinds of candidates a rank may use; the same for all ranks of a job.
public enum CandidatePolicy: String, Sendable {
    case all
    /// Relayed ones only: for tests, and for networks that forbid ranks to talk directly.
    case relayed
    /// Relayed addresses of TURN servers only: where the rendezvous server shall carry no payload.
    case turn
}

/// `rendezvous://HOST:PORT/JOB?epoch=0&size=4&encryption=on&join-timeout=30&timeout=300&mesh=512`
///
/// - `HOST` is a name, an IPv4 address, or an IPv6 address in brackets.
/// - `JOB` is 1 to 64 characters of `A–Z a–z 0–9 . _ -`.
/// - `size` (required): the number of ranks.
/// - `epoch` (0): a restart of the same job takes the next number and retires the older.
/// - `encryption` (`on`): `on` or `none`.
/// - `join-timeout` (30): seconds until every rank must have joined and connected.
/// - `timeout` (300): seconds a communication call may wait before the job fails.
/// - `mesh` (512): up to so many ranks all connect to each other before the program starts; in a
///   larger job two ranks connect when one first sends to the other. 0: always only then.
/// - `observer` (none): the server's observer port, which lets it tell kinds of NAT apart.
/// - `keepalive` (60): seconds after which an idle connection between ranks shows a sign of life, so
///   that no NAT forgets it.
/// - `candidates` (`all`): `all`, `relayed` or `turn`.
/// - `channels` (none: links alone): which stores may carry payload, and when (`ChannelPlan`).
/// - `resume` (`auto`): which links are made again when they break: `auto` (those that leave a
///   host), `always` or `never`.
/// - `resume-timeout` (10): seconds in which that must succeed.
public struct JoinURL: Sendable, Equatable {
    public var host: String
    public var port: UInt16
    public var job: String
    public var epoch: UInt64
    public var size: Int
    public var encryption: EncryptionMode
    public var joinTimeout: Duration
    public var timeout: Duration
    /// The largest job whose ranks all connect to each other before the program starts.
    public var mesh: Int
    public var observerPort: UInt16?
    public var keepAlive: Duration
    public var candidates: CandidatePolicy
    public var channels: ChannelPlan?
    public var resume = ResumePolicy.auto
    public var resumeTimeout = defaultResumeTimeout

    /// Half of the 1024 descriptors a function may have on AWS Lambda: while a link is made it
    /// takes several.
    public static let defaultMesh = 512
    /// The most ranks one job may have.
    public static let maximumSize = 4096
    public static let maximumJobByteCount = 64
    /// NAT gateways forget an idle connection after 350 s, and some routers after less.
    public static let defaultKeepAlive = Duration.seconds(60)
    public static let defaultResumeTimeout = Duration.seconds(10)
    /// The kernel takes no more.
    static let maximumKeepAliveSeconds = 32_767
    /// The longest timeout accepted, in seconds: a week.
    static let maximumTimeoutSeconds = 604_800.0

    public init(
        host: String, port: UInt16, job: String, epoch: UInt64 = 0, size: Int,
        encryption: EncryptionMode = .on, joinTimeout: Duration = .seconds(30),
        timeout: Duration = .seconds(300), mesh: Int = defaultMesh, observerPort: UInt16? = nil,
        keepAlive: Duration = defaultKeepAlive, candidates: CandidatePolicy = .all,
        channels: ChannelPlan? = nil
    ) {
        self.host = host
        self.port = port
        self.job = job
        self.epoch = epoch
        self.size = size
        self.encryption = encryption
        self.joinTimeout = joinTimeout
        self.timeout = timeout
        self.mesh = mesh
        self.observerPort = observerPort
        self.keepAlive = keepAlive
        self.candidates = candidates
        self.channels = channels
    }

    /// Are links made when they are first needed?
    var isLazy: Bool { size > mesh }

    /// Is this a job name? Names travel in URLs, logs and key derivations, so they stay plain.
    public static func isJobName(_ name: some StringProtocol) -> Bool {
        (1...maximumJobByteCount).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }
}

extension JoinURL: CustomStringConvertible {
    public var description: String {
        let place = host.contains(":") ? "[\(host)]" : host
        return "rendezvous://\(place):\(port)/\(job)?epoch=\(epoch)&size=\(size)"
            + "&encryption=\(encryption)&join-timeout=\(Self.seconds(joinTimeout))"
            + "&timeout=\(Self.seconds(timeout))&mesh=\(mesh)"
            + (observerPort.map { "&observer=\($0)" } ?? "")
            + (keepAlive == Self.defaultKeepAlive
                ? "" : "&keepalive=\(Self.seconds(keepAlive))")
            + (candidates == .all ? "" : "&candidates=\(candidates.rawValue)")
            + (channels.map { "&channels=\($0)" } ?? "")
            + (resume == .auto ? "" : "&resume=\(resume.rawValue)")
            + (resumeTimeout == Self.defaultResumeTimeout
                ? "" : "&resume-timeout=\(Self.seconds(resumeTimeout))")
    }

    static func seconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let value = Double(seconds) + Double(attoseconds) / 1e18
        return attoseconds == 0 ? "\(seconds)" : "\(value)"
    }
}

extension JoinURL {
    /// Parses a join URL; the error is one line that says which part is wrong.
    public init(parsing text: String) throws(MPIError) {
        let scheme = "rendezvous://"
        guard text.hasPrefix(scheme) else {
            throw Self.wrong("it must begin with rendezvous://")
        }
        let rest = text.dropFirst(scheme.count)
        guard let slash = rest.firstIndex(of: "/") else {
            throw Self.wrong("the job is missing: rendezvous://HOST:PORT/JOB?size=N")
        }
        let (host, port) = try Self.parseAuthority(rest[..<slash])
        let tail = rest[rest.index(after: slash)...]
        let question = tail.firstIndex(of: "?") ?? tail.endIndex
        let job = tail[..<question]
        guard Self.isJobName(job) else {
            throw Self.wrong("the job must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        }
        self.init(host: host, port: port, job: String(job), size: 0)
        for item in tail[question...].dropFirst().split(separator: "&") {
            try apply(item)
        }
        guard size > 0 else { throw Self.wrong("size=N, the number of ranks, is missing") }
    }

    private mutating func apply(_ item: Substring) throws(MPIError) {
        let equals = item.firstIndex(of: "=") ?? item.endIndex
        let name = item[..<equals]
        let value = item[equals...].dropFirst()
        switch name {
        case "epoch":
            guard let number = UInt64(value) else {
                throw Self.wrong("epoch must be a whole number")
            }
            epoch = number
        case "size":
            guard let number = Int(value), (1...Self.maximumSize).contains(number) else {
                throw Self.wrong("size must be a whole number from 1 to \(Self.maximumSize)")
            }
            size = number
        case "encryption":
            switch value {
            case "on": encryption = .on
            case "none": encryption = .none
            default: throw Self.wrong("encryption must be on or none")
            }
        case "join-timeout": joinTimeout = try Self.parseTimeout(value, name)
        case "observer":
            guard let port = UInt16(value), port > 0 else {
                throw Self.wrong("observer must be a port, the one `rendezvous serve` prints")
            }
            observerPort = port
        case "keepalive":
            guard let number = Int(value), (1...Self.maximumKeepAliveSeconds).contains(number)
            else {
                throw Self.wrong(
                    "keepalive must be a whole number of seconds from 1 to"
                        + " \(Self.maximumKeepAliveSeconds)")
            }
            keepAlive = .seconds(number)
        case "candidates":
            guard let policy = CandidatePolicy(rawValue: String(value)) else {
                throw Self.wrong("candidates must be all, relayed or turn")
            }
            candidates = policy
        case "channels": channels = try ChannelPlan(parsing: String(value))
        case "resume":
            guard let policy = ResumePolicy(rawValue: String(value)) else {
                throw Self.wrong("resume must be auto, always or never")
            }
            resume = policy
        case "resume-timeout": resumeTimeout = try Self.parseTimeout(value, name)
        case "timeout": timeout = try Self.parseTimeout(value, name)
        case "mesh":
            guard let number = Int(value), (0...Self.maximumSize).contains(number) else {
                throw Self.wrong("mesh must be a whole number from 0 to \(Self.maximumSize)")
            }
            mesh = number
        default: throw Self.wrong("unknown setting \(printable(name))")
        }
    }

    static func parseTimeout(
        _ value: Substring, _ name: Substring
    ) throws(MPIError) -> Duration {
        guard let seconds = Double(value), seconds > 0, seconds <= maximumTimeoutSeconds else {
            throw wrong("\(name) must be a number of seconds above 0 and at most a week")
        }
        return .seconds(seconds)
    }

    /// `host:port`, `1.2.3.4:port` or `[v6]:port`.
    static func parseAuthority(_ text: Substring) throws(MPIError) -> (String, UInt16) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[colon...].dropFirst())
        else {
            throw wrong("the address must be HOST:PORT with a port from 0 to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw wrong("an IPv6 address must be in brackets: [::1]:PORT")
        }
        guard !host.isEmpty, host.utf8.count <= 253 else {
            throw wrong("the host is missing or too long")
        }
        return (String(host), port)
    }

    private static func wrong(_ reason: String) -> MPIError {
        MPIError.invalidArgument("join", "SERVERLESS_MPI_URL: \(reason)")
    }
}

/// At most 32 printable ASCII characters of a text that a user or a stranger supplied.
func printable(_ text: some StringProtocol) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.prefix(32).map {
                (0x20...0x7e).contains($0.value) ? $0 : "?"
            }))
}
