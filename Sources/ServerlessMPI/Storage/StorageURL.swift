// The join URL of a job that talks through a store. It holds no secret: a Redis password and AWS
// credentials come by the environment.

import MessagePassing

/// `redis://HOST:PORT/JOB?size=4` or `s3://BUCKET/FOLDER/JOB?size=4&region=eu-central-1`
///
/// - `JOB`: as in `JoinURL`.
/// - `size` (required), `epoch` (0), `join-timeout` (30), `timeout` (300): as in `JoinURL`.
/// - `expiry` (3600): seconds after which Redis forgets what nobody has removed. On S3 a lifecycle
///   rule of the bucket does that.
/// - `lease` (10 on Redis, 20 on S3): seconds after which a rank that shows no sign of life is lost;
///   0: never. Signs cost requests (docs/OPERATING.md).
/// - `region` (`AWS_REGION`), `endpoint` (AWS's own): S3 only.
public struct StorageURL: Sendable, Equatable {
    public enum Place: Sendable, Equatable {
        case redis(host: String, port: UInt16)
        /// `folder` is empty or ends in `/`; `endpoint` is a URL without a path.
        case s3(bucket: String, folder: String, region: String?, endpoint: String?)

        /// The channel that a store here is.
        public var channel: Channel {
            switch self {
            case .redis: .redis
            case .s3: .s3
            }
        }
    }

    /// Names of environment variables; docs/OPERATING.md describes them.
    public enum Variable {
        public static let redisPassword = "SERVERLESS_MPI_REDIS_PASSWORD"
    }

    public var place: Place
    public var job: String
    public var epoch: UInt64
    public var size: Int
    public var joinTimeout: Duration
    public var timeout: Duration
    public var expiry: Duration
    /// Zero for none; nil for the store's default.
    public var lease: Duration?

    public init(
        place: Place, job: String, epoch: UInt64 = 0, size: Int,
        joinTimeout: Duration = .seconds(30), timeout: Duration = .seconds(300),
        expiry: Duration = .seconds(3600), lease: Duration? = nil
    ) {
        self.lease = lease
        self.place = place
        self.job = job
        self.epoch = epoch
        self.size = size
        self.joinTimeout = joinTimeout
        self.timeout = timeout
        self.expiry = expiry
    }

    /// Does a join URL lead to a store?
    static func isStorage(_ text: String) -> Bool {
        text.hasPrefix("redis://") || text.hasPrefix("s3://")
    }

    static func absent(_ ranks: [Int], of size: Int) -> MPIError {
        let names = ranks.prefix(8).map(String.init).joined(separator: ", ")
        return MPIError(
            .timedOut, operation: "join",
            reason: "\(ranks.count) of \(size) ranks did not join in time: rank \(names)"
                + (ranks.count > 8 ? " …" : "")
                + "; start all, or allow more time (join-timeout=SECONDS)", peer: ranks.first)
    }
}

extension StorageURL.Place: CustomStringConvertible {
    /// As `StorageURL.place(parsing:)` takes it.
    public var description: String {
        let settings = settings.joined(separator: "&")
        return address + (settings.isEmpty ? "" : "?\(settings)")
    }

    /// Up to where a job's name belongs.
    fileprivate var address: String {
        switch self {
        case .redis(let host, let port):
            "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/"
        case .s3(let bucket, let folder, _, _): "s3://\(bucket)/\(folder)"
        }
    }

    fileprivate var settings: [String] {
        guard case .s3(_, _, let region, let endpoint) = self else { return [] }
        return [region.map { "region=\($0)" }, endpoint.map { "endpoint=\($0)" }]
            .compactMap { $0 }
    }
}

extension StorageURL: CustomStringConvertible {
    public var description: String {
        var text = place.address + job
        text += "?epoch=\(epoch)&size=\(size)&join-timeout=\(JoinURL.seconds(joinTimeout))"
        text += "&timeout=\(JoinURL.seconds(timeout))&expiry=\(JoinURL.seconds(expiry))"
        if let lease { text += "&lease=\(JoinURL.seconds(lease))" }
        return text + place.settings.map { "&\($0)" }.joined()
    }
}

extension StorageURL {
    /// Nil if ranks do not show each other that they live.
    var leaseOfRanks: Lease? {
        guard let lease else { return place.channel == .redis ? .redisDefault : .s3Default }
        return lease == .zero ? nil : Lease(time: lease)
    }

    /// Errors: `invalidArgument`, one line that says which part is wrong.
    public init(parsing text: String) throws(MPIError) {
        let isRedis = text.hasPrefix("redis://")
        guard Self.isStorage(text) else { throw wrong("it must begin with redis:// or s3://") }
        let rest = text.dropFirst(isRedis ? 8 : 5)
        let question = rest.firstIndex(of: "?") ?? rest.endIndex
        let path = rest[..<question]
        guard let first = path.firstIndex(of: "/"), let last = path.lastIndex(of: "/") else {
            throw wrong("the job is missing: redis://HOST:PORT/JOB or s3://BUCKET/FOLDER/JOB")
        }
        let job = path[path.index(after: last)...]
        guard JoinURL.isJobName(job) else {
            throw wrong("the job must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        }
        let place: Place
        if isRedis {
            guard first == last else { throw wrong("a redis URL is redis://HOST:PORT/JOB") }
            let (host, port) = try JoinURL.parseAuthority(path[..<first])
            place = .redis(host: host, port: port)
        } else {
            let folder = first == last ? "" : String(path[path.index(after: first)...last])
            place = .s3(
                bucket: try Self.bucket(path[..<first]), folder: folder, region: nil,
                endpoint: nil)
        }
        self.init(place: place, job: String(job), size: 0)
        for item in rest[question...].dropFirst().split(separator: "&") { try apply(item) }
        guard size > 0 else { throw wrong("size=N, the number of ranks, is missing") }
    }

    /// Where a store is, without a job: `redis://HOST:PORT` or
    /// `s3://BUCKET/FOLDER?endpoint=URL&region=NAME`.
    public static func place(parsing text: String) throws(MPIError) -> Place {
        let question = text.firstIndex(of: "?") ?? text.endIndex
        var place = String(text[..<question])
        while place.hasSuffix("/") { place.removeLast() }
        let settings = text[question...].dropFirst()
        return try StorageURL(
            parsing: "\(place)/job?size=1" + (settings.isEmpty ? "" : "&\(settings)")
        ).place
    }

    private static func bucket(_ name: Substring) throws(MPIError) -> String {
        let isPlain = name.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D
                || byte == 0x2E
        }
        guard isPlain, (3...63).contains(name.utf8.count) else {
            throw wrong("a bucket's name is 3 to 63 of the characters a-z 0-9 . -")
        }
        return String(name)
    }

    private mutating func apply(_ item: Substring) throws(MPIError) {
        let equals = item.firstIndex(of: "=") ?? item.endIndex
        let name = item[..<equals]
        let value = item[equals...].dropFirst()
        switch name {
        case "epoch":
            guard let number = UInt64(value) else { throw wrong("epoch must be a whole number") }
            epoch = number
        case "size":
            guard let number = Int(value), (1...JoinURL.maximumSize).contains(number) else {
                throw wrong("size must be a whole number from 1 to \(JoinURL.maximumSize)")
            }
            size = number
        case "join-timeout": joinTimeout = try JoinURL.parseTimeout(value, name)
        case "timeout": timeout = try JoinURL.parseTimeout(value, name)
        case "expiry": expiry = try JoinURL.parseTimeout(value, name)
        case "lease": lease = value == "0" ? .zero : try JoinURL.parseTimeout(value, name)
        case "region", "endpoint":
            guard case .s3(let bucket, let folder, var region, var endpoint) = place,
                !value.isEmpty
            else { throw wrong("\(name) belongs to an s3 URL and may not be empty") }
            if name == "region" { region = String(value) } else { endpoint = String(value) }
            place = .s3(bucket: bucket, folder: folder, region: region, endpoint: endpoint)
        default: throw wrong("unknown setting \(printable(name))")
        }
    }
}

private func wrong(_ reason: String) -> MPIError {
    MPIError.invalidArgument("join", "SERVERLESS_MPI_URL: \(reason)")
}
