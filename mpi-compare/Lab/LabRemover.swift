// What removes a laboratory: a shell that sleeps until the builder says so or is gone, whatever ends
// it. One way down, used every time.
import Processes

struct LabRemover {
    private let shell: SleepingShell

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
        shell = try SleepingShell(
            "trap '' INT TERM HUP; read -r word\n" + LabRemover.script, [prefix])
    }

    /// Removes everything and waits until it is gone.
    func remove() { shell.finish() }
}
