// The backends as tests start them.

import Glibc

enum Backend: String, CaseIterable, CustomStringConvertible {
    case threads
    case openmpi
    case openmpiTCP = "openmpi-tcp"
    case serverless
    case serverlessTLS = "serverless-tls"
    /// No link is there before a message needs it.
    case serverlessLazy = "serverless-lazy"
    /// Links survive their connections, and keep what is not acknowledged.
    case serverlessResume = "serverless-resume"
    /// Links, and a real redis-server for all but the shortest payloads.
    case channels
    /// Messages go through a real redis-server.
    case redis
    /// Messages go through S3's protocol, to two servers that know nothing of each other.
    case s3Ministack = "s3-ministack"
    case s3Moto = "s3-moto"

    var description: String { rawValue }

    /// The conformance executable linked to this backend.
    var program: String {
        switch self {
        case .threads: "conformance-threads"
        case .openmpi, .openmpiTCP: "conformance-openmpi"
        case .serverless, .serverlessTLS, .serverlessLazy, .serverlessResume, .channels, .redis,
            .s3Ministack,
            .s3Moto:
            "conformance-serverless"
        }
    }

    var isAvailable: Bool {
        switch self {
        case .openmpi, .openmpiTCP: Installation.runsMPI
        case .threads, .serverless, .serverlessTLS, .serverlessLazy, .serverlessResume: true
        case .redis, .channels: Installation.find("redis-server") != nil
        case .s3Ministack, .s3Moto: s3Server.flatMap { Installation.findPeer($0) } != nil
        }
    }

    /// The S3 server of a backend that has one.
    var s3Server: String? {
        switch self {
        case .s3Ministack: "ministack"
        case .s3Moto: "moto_server"
        default: nil
        }
    }

    /// Numbers of ranks that the whole suite runs with: an S3 server in Python takes milliseconds
    /// for a request and minutes for the suite, which `make test` cannot spend.
    var suiteRanks: [Int] {
        if Installation.runsLongForms { return [1, 2, 3, 4, 5, 8] }
        if s3Server != nil { return [1] }
        return self == .channels ? [2, 3, 5] : [1, 2, 3, 4, 5, 8]
    }

    /// How long the suite may take with so many.
    var suiteTimeoutSeconds: Int { s3Server == nil ? 240 : 3600 }

    /// Those that run scenarios in this run: of two slow ones the first stands for both.
    static var scenarios: [Backend] {
        available.filter { $0 != .s3Moto || Installation.runsLongForms }
    }

    /// The backends whose requests are cheap, for what costs many of them.
    static var quick: [Backend] {
        available.filter { $0.s3Server == nil || Installation.runsLongForms }
    }

    /// A store holds every byte of a message in its memory: more than this machine may have.
    static var unbounded: [Backend] {
        available.filter { ![.redis, .channels].contains($0) && $0.s3Server == nil }
    }

    static var available: [Backend] { allCases.filter(\.isAvailable) }

    /// Those that tell ranks which call different collectives so.
    static let detectingMismatch: [Backend] = [
        .threads, .serverless, .serverlessTLS, .serverlessLazy, .serverlessResume, .channels,
        .redis, .s3Ministack, .s3Moto,
    ].filter(scenarios.contains)

    /// Runs the conformance program on `ranks` ranks.
    func run(
        ranks: Int, _ arguments: [String] = [], environment: [String: String] = [:],
        timeoutSeconds: Int = 240, lastingLineCount: Int? = nil
    ) -> Outcome {
        let program = Installation.path(program)
        var variables = environment
        var command: [String]
        switch self {
        case .threads:
            variables["THREADMPI_RANKS"] = "\(ranks)"
            command = [program]
        case .openmpi, .openmpiTCP:
            command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "\(ranks)"]
            for (name, value) in environment { command += ["-x", "\(name)=\(value)"] }
            if self == .openmpiTCP {
                // By name: Open MPI skips loopback, which may be all that the machine has.
                command += ["--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "lo"]
            }
            command.append(program)
        case .serverless, .serverlessTLS, .serverlessLazy, .serverlessResume, .channels:
            let isLazy = self == .serverlessLazy
            // Late links are encrypted with odd numbers of ranks, and survive with even ones.
            let late = ranks.isMultiple(of: 2) ? Backend.serverlessResume : .serverlessTLS
            let environment =
                isLazy ? late : self == .channels ? Backend.serverlessTLS : self
            command = [
                Installation.path("mpi-compare"), "launch", "-n", "\(ranks)", "--environment",
                environment.rawValue,
            ]
            if self == .channels { command += ["--channels", "sizes:direct@0,redis@16"] }
            if isLazy { command += ["--mesh", "0"] }
            command += ["--", program]
        case .redis, .s3Ministack, .s3Moto:
            command = [
                Installation.path("mpi-compare"), "launch", "-n", "\(ranks)", "--environment",
                self == .redis ? "redis" : "s3",
            ]
            if let s3Server { command += ["--store", s3Server] }
            command += ["--", program]
        }
        // An exchange of 8 ranks is 300 requests to a server that takes 4 ms for one.
        if s3Server != nil { command += ["--limit", "900"] }
        return ConformanceTests.run(
            command + arguments, environment: variables, timeoutSeconds: timeoutSeconds,
            lastingLineCount: lastingLineCount)
    }
}

/// What is on this machine.
enum Installation {
    /// Where the programs under test are: the release build if `CONFORMANCE_BIN_DIR` says so, else
    /// beside this test.
    static let binaries: String = {
        if let directory = getenv("CONFORMANCE_BIN_DIR") { return String(cString: directory) }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let path = String(
            decoding: buffer.prefix(max(count, 0)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    }()

    /// `make test-full` rather than `make test`?
    static let runsLongForms = getenv("TEST_FULL").map { String(cString: $0) } == "1"

    static func path(_ program: String) -> String { "\(binaries)/\(program)" }

    /// Is everything there that a build with MPI needs? Then it must have been built with it.
    static let hasMPI = find("mpirun") != nil && find("pkg-config") != nil && hasHeaders

    /// Was it built with MPI, and can it be started?
    static let runsMPI =
        find("mpirun") != nil && libraries("conformance-openmpi").contains("libmpi")

    /// The shared libraries a program is linked to.
    static func libraries(_ program: String) -> String {
        run(["ldd", path(program)], timeoutSeconds: 30).output
    }

    private static var hasHeaders: Bool {
        let directories = [
            "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
            "/usr/local/lib",
        ]
        return directories.contains { access("\($0)/pkgconfig/ompi-c.pc", R_OK) == 0 }
    }

    /// A program from PyPI, where scripts/setup --tests puts it, or in PATH.
    static func findPeer(_ program: String) -> String? {
        let folders = [getenv("AWS_PEERS_VENV").map { String(cString: $0) }, ".venv-aws"]
        for folder in folders.compactMap({ $0 }) where access("\(folder)/bin/\(program)", X_OK) == 0
        {
            return "\(folder)/bin/\(program)"
        }
        return find(program)
    }

    static func find(_ program: String) -> String? {
        guard let path = getenv("PATH") else { return nil }
        return String(cString: path).split(separator: ":").map { "\($0)/\(program)" }
            .first { access($0, X_OK) == 0 }
    }
}
