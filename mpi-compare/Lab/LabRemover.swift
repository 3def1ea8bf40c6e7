// What removes a laboratory: a shell in a session of its own that sleeps on a pipe whose other end
// only the builder holds. Whatever happens to the builder, SIGKILL included, the pipe closes and the
// shell does its work. In order it is the same: one way down, used every time.
@preconcurrency import Glibc
import Processes

struct LabRemover {
    private let process: pid_t
    private let pipe: Int32

    /// Ends what runs in the namespaces `$1*`, then removes them. It looks again after a moment, for
    /// a namespace that was being made when the builder died.
    static let script = """
        cd /run/netns 2>/dev/null || exit 0
        inside() { for name in "$1"*; do [ -e "$name" ] && ip netns pids "$name"; done; }
        quiet=0
        while [ $quiet -lt 2 ]; do
            left=$(inside "$1")
            if [ -n "$left" ]; then
                kill -s TERM $left
                tries=0
                while [ -n "$(inside "$1")" ] && [ $tries -lt 10 ]; do
                    sleep 0.1
                    tries=$((tries + 1))
                done
                left=$(inside "$1")
                [ -z "$left" ] || kill -s KILL $left
            fi
            quiet=$((quiet + 1))
            for name in "$1"*; do
                [ -e "$name" ] || continue
                ip netns del "$name"
                quiet=0
            done
            [ "$word" = done ] && exit 0
            sleep 0.2
        done
        """

    init(prefix: String) throws(LaunchError) {
        let ends = try makePipe()
        _ = fcntl(ends.read, F_SETFL, 0)
        let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer {
            close(ends.read)
            close(null)
        }
        do throws(LaunchError) {
            process = try spawn(
                "/bin/sh",
                ["-c", "trap '' INT TERM HUP; read -r word\n" + LabRemover.script, "sh", prefix],
                [:], input: ends.read, output: null, error: null)
        } catch {
            close(ends.write)
            throw error
        }
        pipe = ends.write
    }

    /// Removes everything and waits until it is gone.
    func remove() {
        let word = "done\n"
        _ = word.withCString { write(pipe, $0, strlen($0)) }
        close(pipe)
        var status: Int32 = 0
        while waitpid(process, &status, 0) == -1 && errno == EINTR {}
    }
}
