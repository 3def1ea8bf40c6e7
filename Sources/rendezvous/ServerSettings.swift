// How `rendezvous serve` is set: by a file of `name = value` lines, by options `--name value` that
// override it, or by neither. One table holds every name, what it means and how it is read.

import Logging
import MessagePassing
import ServerlessMPI

struct ServerSettings {
    var listen = "127.0.0.1:0"
    var observerPort: UInt16 = 0
    var statusAddress: String?
    var secretFile: String?
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text
    var drainTimeout = Duration.seconds(30)
    var limits = RendezvousLimits()

    enum LogFormat: String { case text, json }
}

/// What is wrong with a value: what it must be.
struct WrongValue: Error { var expected: String }

/// One thing that can be set.
struct ServerSetting: Sendable {
    let name: String
    let help: String
    let apply: @Sendable (inout ServerSettings, String) throws(WrongValue) -> Void

    static let all: [ServerSetting] = [
        ServerSetting(name: "listen", help: "HOST:PORT; port 0, the default, takes any free one") {
            $0.listen = $1
        },
        ServerSetting(name: "observer-port", help: "a second port on the same address") {
            (settings, text) throws(WrongValue) in
            guard let port = UInt16(text) else {
                throw WrongValue(expected: "a port, 0 for any")
            }
            settings.observerPort = port
        },
        ServerSetting(name: "status", help: "HOST:PORT of /health, /ready and /metrics") {
            $0.statusAddress = $1
        },
        ServerSetting(name: "secret-file", help: "the operator secret, see `rendezvous secret`") {
            $0.secretFile = $1
        },
        ServerSetting(name: "log-level", help: "trace, debug, info, notice, warning or error") {
            (settings, text) throws(WrongValue) in
            guard let level = Logger.Level(rawValue: text) else {
                throw WrongValue(expected: "trace, debug, info, notice, warning or error")
            }
            settings.logLevel = level
        },
        ServerSetting(name: "log-format", help: "text, or json for one object per line") {
            (settings, text) throws(WrongValue) in
            guard let format = ServerSettings.LogFormat(rawValue: text) else {
                throw WrongValue(expected: "text or json")
            }
            settings.logFormat = format
        },
        ServerSetting(
            name: "drain-timeout", help: "seconds that SIGTERM leaves to running jobs; 30"
        ) { (settings, text) throws(WrongValue) in
            settings.drainTimeout = try seconds(text, 0...86_400)
        },
        limit("jobs", \.jobs, "jobs at once"),
        limit("ranks-per-job", \.ranksPerJob, "ranks of one job", 1...JoinURL.maximumSize),
        limit("connections-not-joined", \.connectionsNotJoined, "connections before their join"),
        limit(
            "connections-not-joined-per-address", \.connectionsNotJoinedPerAddress,
            "the same from one address"),
        limit("relayed-pairs", \.relayedPairs, "pairs of ranks relayed at once", 0...1_000_000),
        limit(
            "relayed-pairs-per-job", \.relayedPairsPerJob, "the same of one job", 0...1_000_000),
        ServerSetting(name: "handshake-timeout", help: "seconds from a connection to its join") {
            (settings, text) throws(WrongValue) in
            settings.limits.handshakeTimeout = try seconds(text, 0.1...3600)
        },
    ]

    private static func limit(
        _ name: String, _ path: any WritableKeyPath<RendezvousLimits, Int> & Sendable,
        _ help: String,
        _ range: ClosedRange<Int> = 1...1_000_000
    ) -> ServerSetting {
        ServerSetting(name: name, help: "\(help); \(RendezvousLimits()[keyPath: path])") {
            (settings, text) throws(WrongValue) in
            guard let value = Int(text), range.contains(value) else {
                throw WrongValue(
                    expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            settings.limits[keyPath: path] = value
        }
    }

    private static func seconds(
        _ text: String, _ range: ClosedRange<Double>
    ) throws(WrongValue) -> Duration {
        guard let value = Double(text), range.contains(value) else {
            throw WrongValue(
                expected: "seconds from \(range.lowerBound) to \(range.upperBound)")
        }
        return .seconds(value)
    }
}

extension ServerSettings {
    /// What the options say; those in the file that `config` names come first.
    init(options: consuming Options) throws(MPIError) {
        self.init()
        if let path = options.take("--config") { try read(file: path) }
        for setting in ServerSetting.all {
            guard let value = options.take("--\(setting.name)") else { continue }
            do throws(WrongValue) {
                try setting.apply(&self, value)
            } catch {
                throw Program.wrong("--\(setting.name) must be \(error.expected)")
            }
        }
        try options.finish()
    }

    private mutating func read(file path: String) throws(MPIError) {
        guard let text = TextFile.read(path, byteCountMax: 1 << 20) else {
            throw Program.wrong("cannot read the configuration file \(path)")
        }
        var seen: [Substring: Int] = [:]
        for (index, line) in text.split(
            separator: "\n", omittingEmptySubsequences: false
        ).enumerated() {
            let place = "\(path), line \(index + 1)"
            let content = line.prefix { $0 != "#" }.trimmed
            if content.isEmpty { continue }
            guard let equals = content.firstIndex(of: "=") else {
                throw Program.wrong("\(place): a line is `name = value` or a # comment")
            }
            let name = content[..<equals].trimmed
            let value = content[content.index(after: equals)...].trimmed
            guard let setting = ServerSetting.all.first(where: { $0.name == name }) else {
                let known = ServerSetting.all.map(\.name).joined(separator: ", ")
                throw Program.wrong("\(place): there is no setting \(name); there are \(known)")
            }
            if let first = seen.updateValue(index + 1, forKey: name) {
                throw Program.wrong("\(place): \(name) was set in line \(first) already")
            }
            do throws(WrongValue) {
                try setting.apply(&self, String(value))
            } catch {
                throw Program.wrong("\(place): \(name) must be \(error.expected)")
            }
        }
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var rest = drop(while: \.isWhitespace)
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return rest
    }
}
