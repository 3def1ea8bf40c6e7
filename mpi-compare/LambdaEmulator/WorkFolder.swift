// The emulator's folder: the unpacked package and an empty place where sandboxes mount their roots.
// It goes, with the groups of the sandboxes, however the emulator ends.
@preconcurrency import Glibc
import Lab
import Processes

struct WorkFolder: Sendable {
    let path: String
    /// What the names of the emulator's groups begin with.
    let groupPrefix: String
    private let remover: SleepingShell

    var task: String { "\(path)/task" }
    var root: String { "\(path)/root" }

    /// What AWS takes: the unpacked package, in bytes.
    static let packageByteCountMax = 250 << 20

    /// Frozen processes do not even end: what is left of the groups is thawed first.
    private static let script = """
        trap '' INT TERM HUP; read -r word
        folder=$1 prefix=$2; shift 2
        each() { for parent in "$@"; do for group in "$parent/$prefix"*; do
            [ -d "$group" ] && echo "$group"
        done; done; }
        for group in $(each "$@"); do
            [ -e "$group/freezer.state" ] && echo THAWED >"$group/freezer.state"
            [ -e "$group/cgroup.freeze" ] && echo 0 >"$group/cgroup.freeze"
        done
        tries=0
        while [ -n "$(each "$@")" ] && [ $tries -lt 100 ]; do
            for group in $(each "$@"); do rmdir "$group" 2>/dev/null; done
            [ -z "$(each "$@")" ] || sleep 0.1
            tries=$((tries + 1))
        done
        rm -rf "$folder"
        """

    /// Unpacks a package.
    ///
    /// - Throws: `LaunchError` if there is no such file, or it is no package of a function.
    init(package: String) throws(LaunchError) {
        guard access(package, R_OK) == 0 else {
            throw LaunchError(
                "there is no package \(package): mpi-compare lambda package makes one")
        }
        guard let unzip = findSystemProgram("unzip") else {
            throw LaunchError("there is no unzip: apt-get install unzip")
        }
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(folder)/smpi-lambda-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LaunchError("cannot make a folder in \(folder): \(lastSystemError())")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        groupPrefix = "smpi-lambda-\(path.suffix(6))-"
        remover = try SleepingShell(WorkFolder.script, [path, groupPrefix] + ControlGroup.parents)
        // Sandboxes run as another user.
        chmod(path, 0o755)
        mkdir(task, 0o755)
        mkdir(root, 0o755)
        do throws(LaunchError) {
            try check(package, unzip)
        } catch {
            remove()
            throw error
        }
    }

    private func check(_ package: String, _ unzip: String) throws(LaunchError) {
        let result = try runCommand([unzip, "-q", "-o", package, "-d", task])
        guard result.exitCode == 0 else {
            throw LaunchError("\(package) cannot be unpacked: \(result.output.prefix(200))")
        }
        guard access("\(task)/bootstrap", X_OK) == 0 else {
            throw LaunchError(
                "\(package) has no executable file named bootstrap: mpi-compare lambda package"
                    + " makes packages that do")
        }
        let size = try runCommand(["du", "-sb", task])
        let count = Int(size.output.prefix { $0.isNumber }) ?? 0
        guard count <= WorkFolder.packageByteCountMax else {
            throw LaunchError(
                "\(package) unpacks to \(count) bytes; Lambda takes \(WorkFolder.packageByteCountMax)"
            )
        }
    }

    func remove() { remover.finish() }
}
