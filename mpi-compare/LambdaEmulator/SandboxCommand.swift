// How a process becomes a sandbox: namespaces of its own, a root that holds nothing but the package,
// /tmp and what the kernel provides, an unprivileged user, and the environment that AWS sets.
import Lab
import Processes

struct SandboxCommand {
    var taskFolder: String
    /// An empty folder, where the root is mounted; the same for all, as each has its own mounts.
    var rootFolder: String
    var groups: [String]
    var environment: [String: String]

    /// The address of the Runtime API, in every sandbox's own network.
    static let runtimeAddress = "127.0.0.1"
    static let runtimePort: UInt16 = 9001
    /// Those of AWS's sandboxes.
    private static let user = 993
    private static let group = 990

    /// Joins the groups, then goes on as `$@`.
    private static let enter = """
        while [ "$1" != -- ]; do echo 0 >"$1/cgroup.procs"; shift; done; shift; exec "$@"
        """

    /// The shell stays, to tell a signal that ends the process by its exit code, 128 and more.
    private static let build = """
        root=$1 task=$2 unshare=$3; shift 3
        mount --make-rprivate /
        mount -t tmpfs -o size=1m,mode=755 sandbox "$root"
        cd "$root"
        mkdir -p var/task tmp dev proc etc
        mount --bind "$task" var/task
        mount -o remount,bind,ro,nosuid,nodev var/task
        mount -t tmpfs -o size=\(FunctionSettings.temporaryMegabytes)m,mode=1777,nosuid,nodev tmp tmp
        mount -t proc proc proc
        for device in null zero random urandom; do
            : >dev/$device; mount --bind /dev/$device dev/$device
        done
        mount -o remount,ro "$root"
        ulimit -n \(FunctionSettings.openFilesMax)
        set +e
        env -i "$@" "$unshare" --root="$root" --wd=/var/task --setgid \(group) \
            --setuid \(user) /var/task/bootstrap
        exit $?
        """

    /// The command line on a node of a laboratory.
    func arguments(
        in lab: Lab, on node: String
    ) throws(LaunchError) -> (executable: String, arguments: [String]) {
        guard let unshare = findSystemProgram("unshare") else {
            throw LaunchError("there is no unshare: apt-get install util-linux")
        }
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let inside = try lab.command(
            on: node, unshare,
            [
                "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL", "/bin/sh",
                "-euc", SandboxCommand.build, "sh", rootFolder, taskFolder, unshare,
            ] + variables)
        return (
            "/bin/sh",
            ["-euc", SandboxCommand.enter, "sh"] + groups + ["--", inside.executable]
                + inside.arguments
        )
    }

    /// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    static func environment(
        _ settings: FunctionSettings, sandbox: String
    ) -> [String: String] {
        let own = [
            "AWS_DEFAULT_REGION": FunctionSettings.region,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "\(settings.memoryMegabytes)",
            "AWS_LAMBDA_FUNCTION_NAME": settings.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/\(settings.name)",
            "AWS_LAMBDA_LOG_STREAM_NAME": sandbox,
            "AWS_LAMBDA_RUNTIME_API": "\(runtimeAddress):\(runtimePort)",
            "AWS_REGION": FunctionSettings.region,
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": "/var/task",
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH":
                "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
            "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "TZ": ":UTC",
            "_HANDLER": "bootstrap",
        ]
        return settings.environment.merging(own) { $1 }
    }
}
