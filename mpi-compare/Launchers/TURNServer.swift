// A TURN server in a laboratory, beside the rendezvous server: Debian's coturn, told everything on its
// command line, so that it leaves no file behind. The laboratory's remover ends it if we cannot.
@preconcurrency import Glibc
import Lab
import Processes
import ServerlessMPI

struct TURNServer {
    private let process: pid_t
    private let password = Secret.random()

    private static let port: UInt16 = 3478
    private static let username = "rank"

    /// - Throws: `LaunchError` if coturn is not installed, or does not listen within 5 s.
    init(in lab: Lab) throws(LaunchError) {
        guard let program = findSystemProgram("turnserver") else {
            throw LaunchError("--turn needs turnserver, which is not there: apt-get install coturn")
        }
        let address = Lab.rendezvousAddress
        let command = try lab.command(
            on: Lab.rendezvousNode, program,
            [
                "-n", "-L", address, "-E", address, "-p", "\(TURNServer.port)", "-a", "-r", "lab",
                "-u", "\(TURNServer.username):\(password.hex)", "--no-udp", "--no-tls", "--no-dtls",
                "--no-cli", "-b", ":memory:", "--pidfile", "/dev/null", "-l", "stdout",
            ])
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer { close(null) }
        process = try spawn(
            command.executable, command.arguments, [:], input: nil, output: null, error: null)
        for _ in 0..<250 {
            if try lab.accepts(on: Lab.rendezvousNode, address, TURNServer.port) { return }
            usleep(20_000)
        }
        stop()
        throw LaunchError("turnserver does not listen on \(address):\(TURNServer.port)")
    }

    /// What tells a rank of it.
    var environment: [String: String] {
        [
            JoinConfiguration.Variable.turnURL:
                "turn:\(Lab.rendezvousAddress):\(TURNServer.port)?transport=tcp",
            JoinConfiguration.Variable.turnUsername: TURNServer.username,
            JoinConfiguration.Variable.turnPassword: password.hex,
        ]
    }

    func stop() {
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
    }
}
