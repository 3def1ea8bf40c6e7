// What ends the ranks when the launcher itself is killed by SIGKILL and cannot do it any more.
//
// A shell in a session of its own reads the ranks' process groups from a pipe whose other end only
// the launcher holds. A launcher that ends in order says `done`; one that is killed just closes the
// pipe, and then the shell ends every group. It works for any program, needs no cooperation of the
// ranks, and the shell sleeps in `read` meanwhile.
@preconcurrency import Glibc

struct Watchdog {
    private let process: pid_t
    private let pipe: Int32

    /// KILL follows TERM after a second.
    private static let script = """
        trap '' INT TERM HUP
        groups=
        while read -r word; do
            case $word in done) exit 0 ;; *) groups="$groups -$word" ;; esac
        done
        [ -n "$groups" ] || exit 0
        kill -s TERM -- $groups; kill -s CONT -- $groups
        sleep 1
        kill -s KILL -- $groups
        """

    init() throws(LaunchError) {
        let ends = try makePipe()
        _ = fcntl(ends.read, F_SETFL, 0)
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer {
            close(ends.read)
            close(null)
        }
        do throws(LaunchError) {
            process = try spawn(
                "/bin/sh", ["-c", Watchdog.script], [:], input: ends.read, output: null,
                error: null)
        } catch {
            close(ends.write)
            throw error
        }
        pipe = ends.write
    }

    /// To be ended when the launcher dies.
    func watch(_ group: pid_t) { write("\(group)\n") }

    /// The job is over and everything it started is gone.
    func dismiss() {
        write("done\n")
        close(pipe)
        var status: Int32 = 0
        while waitpid(process, &status, 0) == -1 && errno == EINTR {}
    }

    private func write(_ text: String) {
        _ = text.withCString { Glibc.write(pipe, $0, strlen($0)) }
    }
}
