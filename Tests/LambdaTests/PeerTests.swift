// Our two ends against others': AWS's own runtime client, in a sandbox of the emulator, and our
// worker, on a stand-in for Lambda that is not ours. Both come from .venv-aws (scripts/aws-peers).
import AWSClient
import CompactJSON
import Foundation
import LambdaEmulator
import Launchers
import Processes
import ServerlessMPI
import Testing

/// Programs from PyPI, where they are installed.
private enum Peers {
    static func python(with module: String) -> String? {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        let folders = [
            ProcessInfo.processInfo.environment["AWS_PEERS_VENV"], "\(root)/.venv-aws",
        ]
        for folder in folders.compactMap(\.self) {
            let python = "\(folder)/bin/python"
            let result = try? runCommand([python, "-c", "import \(module)"])
            if result?.exitCode == 0 { return python }
        }
        return nil
    }

    static let awslambdaric = python(with: "awslambdaric")
    static let ministack = python(with: "ministack")
    static let missing: Comment = "not in .venv-aws: scripts/aws-peers installs it"
}

extension LambdaTests {
    @Suite("Peers")
    struct PeerPrograms {
        @Test(
            "AWS's own awslambdaric is served as on AWS",
            .enabled(if: Peers.awslambdaric != nil, Peers.missing))
        func awsClient() throws {
            let package = try PythonPackage(try #require(Peers.awslambdaric))
            let subject = try Subject(package.zip) { settings in
                settings.environment = PythonPackage.variables
                settings.timeout = .seconds(5)
            }
            // Its answer, its context, and the log.
            let response = try subject.send("{\"say\":\"grüß Gott\"}")
            let answer = try #require(JSONValue(parsing: response.body))
            #expect(answer["said"] == .string("grüß Gott"), "\(answer) \(subject.log.all)")
            #expect(answer["request"]?.string == response.header("x-amzn-requestid"))
            #expect(answer["function"]?.string?.hasSuffix(":function:subject") == true)
            let left = try #require(answer["left"]?.number)
            #expect(left > 3 && left <= 5, "\(left)")
            #expect(subject.log.wait(for: "python says grüß Gott"))
            // Its errors, and that it goes on afterwards.
            let failed = try subject.send("{\"raise\":\"no luck\"}")
            #expect(failed.header("x-amz-function-error") == "Unhandled")
            let error = JSONValue(parsing: failed.body)
            #expect(error?["errorMessage"] == .string("no luck"), "\(String(describing: error))")
            #expect(error?["errorType"] == .string("ValueError"))
            #expect(try subject.invoke("{\"say\":\"again\"}")["count"] == .integer(3))
            #expect(subject.emulator.startedSandboxes == 1)
        }

        @Test(
            "our worker runs jobs on PyPI's ministack",
            .enabled(if: Peers.ministack != nil, Peers.missing))
        func ministack() throws {
            let stack = try Ministack(try #require(Peers.ministack), package: Built.worker)
            let server = try RendezvousServer.start(secret: stack.secret)
            defer { server.stop() }
            var options = LambdaOptions()
            options.function = "mpi"
            options.rendezvous = server.address
            options.observerPort = server.observerPort
            options.secretFile = stack.secretFile
            // One sandbox runs all ranks, or each has its own: as many as the stand-in starts.
            for ranksPerFunction in [2, 1] {
                options.ranksPerFunction = ranksPerFunction
                let session = try LambdaSession(onAWS: options) { stack.variables[$0] }
                defer { session.stop() }
                let run = try session.run(
                    LambdaJob(
                        ranks: 2, arguments: ["--workload", "join", "--rows", "20000"]))
                #expect(run.ranks.count == 2 && run.functions == 2 / ranksPerFunction)
                let result = run.ranks.first?.value.array?.last
                #expect(result?["outputRows"]?.integer ?? 0 > 0, "\(run)")
            }
        }
        @Test(
            "answers beyond 6 MB go through S3, or fail with the reason where there is none",
            .enabled(if: Peers.ministack != nil, Peers.missing))
        func largeAnswers() throws {
            let stack = try Ministack(try #require(Peers.ministack), package: Built.ranks)
            let server = try RendezvousServer.start(secret: stack.secret)
            defer { server.stop() }
            try stack.makeBucket("answers")
            var options = LambdaOptions()
            options.function = "mpi"
            options.rendezvous = server.address
            options.secretFile = stack.secretFile
            options.ranksPerFunction = 2
            for (byteCount, results) in [
                (1000, nil), (4 << 20, "s3://answers/of/jobs"), (4 << 20, nil),
            ] {
                options.results = results
                let session = try LambdaSession(onAWS: options) { stack.variables[$0] }
                defer { session.stop() }
                do throws(LambdaFailure) {
                    let run = try session.run(LambdaJob(ranks: 2, arguments: ["\(byteCount)"]))
                    #expect(
                        run.ranks.map { $0.value.string?.utf8.count } == [byteCount, byteCount])
                } catch {
                    // Our client refuses nothing that its server takes; ministack takes all.
                    #expect(results == nil && byteCount > 1000, "\(error)")
                }
            }
            // What was read is gone.
            #expect(try stack.keys("answers") == [])
        }
    }
}

/// Python with awslambdaric and a handler, packaged like any program; started by a `bootstrap` that
/// is a script whose interpreter is in the package.
private final class PythonPackage {
    let zip: String
    private let folder = NSTemporaryDirectory() + "python-\(UUID().uuidString)"

    static let variables = [
        "PYTHONHOME": "/var/task/home", "PYTHONPATH": "/var/task/site:/var/task",
        "PYTHONDONTWRITEBYTECODE": "1",
    ]

    private static let handler = """
        import os
        count = 0
        def handle(event, context):
            global count
            count += 1
            if "raise" in event:
                raise ValueError(event["raise"])
            print("python says", event["say"])
            return {"said": event["say"], "request": context.aws_request_id, "count": count,
                    "function": context.invoked_function_arn,
                    "left": context.get_remaining_time_in_millis() / 1000}
        """

    private static let bootstrap = """
        #!/var/task/python
        import sys
        from awslambdaric.__main__ import main
        main(["awslambdaric", "handler.handle"])
        """

    private static let script = """
        cd "$1"; python=$2
        mkdir -p task/site
        unzip -q program.zip -d task; mv task/bootstrap task/python
        set -- $("$python" -c 'import sys, sysconfig, awslambdaric, os
        print(sysconfig.get_path("stdlib"), os.path.dirname(os.path.dirname(awslambdaric.__file__)),
              "python%d.%d" % sys.version_info[:2])')
        mkdir -p "task/home/lib/$3"
        tar -C "$1" --exclude=./test --exclude=./site-packages --exclude=./idlelib \
            --exclude=./ensurepip --exclude='./config-*' --exclude=./tkinter \
            --exclude=__pycache__ -cf - . | tar -C "task/home/lib/$3" -xf -
        for part in awslambdaric simplejson snapshot_restore_py runtime_client*; do
            for found in "$2"/$part; do [ ! -e "$found" ] || cp -r "$found" task/site/; done
        done
        cp handler.py bootstrap task/; chmod 755 task/bootstrap
        cd task; zip -q -1 -r ../function.zip .
        """

    init(_ python: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        var program = LambdaPackage(executable: python)
        // What extension modules of Python load.
        program.libraries = [
            "libstdc++.so.6", "libgcc_s.so.1", "libssl.so.3", "libz.so.1", "libffi.so.8",
            "libbz2.so.1.0", "liblzma.so.5", "libm.so.6", "libpthread.so.0", "libdl.so.2",
        ]
        _ = try program.write(to: "\(folder)/program.zip")
        for (name, text) in [("handler.py", Self.handler), ("bootstrap", Self.bootstrap)] {
            try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
        }
        zip = "\(folder)/function.zip"
        let result = try runCommand(["/bin/sh", "-euc", Self.script, "sh", folder, python])
        guard result.exitCode == 0 else { throw Unexpected(result.output) }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

/// ministack with our package as its function. It starts packages where it unpacks them, outside of
/// any sandbox, so it is given a view of the file system in which /var/task is the package.
private final class Ministack {
    let secret = Secret.random()
    let secretFile: String
    var variables: [String: String] {
        [
            "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)",
        ]
    }
    private let port: UInt16
    private let shell: SleepingShell
    private let folder = NSTemporaryDirectory() + "ministack-\(UUID().uuidString)"

    private static let script = """
        trap '' INT TERM HUP
        unshare --mount --pid --fork --kill-child=KILL /bin/sh -euc '
            mount --make-rprivate /
            mount -t proc proc /proc
            mount -t tmpfs var /var
            mkdir -p /var/task /var/tmp
            mount --bind "$1/task" /var/task
            cd "$1"
            exec env GATEWAY_PORT="$2" BIND_HOST=127.0.0.1 SERVICES=lambda,iam,s3 LOG_LEVEL=INFO \
                TMPDIR="$1" "$3" -m ministack >"$1/log" 2>&1
        ' sh "$@" &
        server=$!
        read -r line
        kill -KILL $server
        wait $server
        """

    init(_ python: String, package: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(folder)/task", withIntermediateDirectories: true)
        secretFile = "\(folder)/secret"
        try secret.hex.write(toFile: secretFile, atomically: true, encoding: .utf8)
        let unpacked = try runCommand(["unzip", "-q", package, "-d", "\(folder)/task"])
        guard unpacked.exitCode == 0 else { throw Unexpected(unpacked.output) }
        port = try freePort()
        shell = try SleepingShell(Self.script, [folder, "\(port)", python])
        do {
            try create(package)
        } catch {
            shell.finish()
            throw error
        }
    }

    deinit {
        shell.finish()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// CreateFunction, as soon as somebody answers.
    private func create(_ package: String) throws {
        let zip = try Data(contentsOf: URL(fileURLWithPath: package)).base64EncodedString()
        let body = Array(
            JSONValue.object([
                JSONField("FunctionName", .string("mpi")),
                JSONField("Runtime", .string("provided.al2023")),
                JSONField("Handler", .string("bootstrap")),
                JSONField("Role", .string("arn:aws:iam::000000000000:role/mpi")),
                JSONField("MemorySize", .integer(1769)), JSONField("Timeout", .integer(60)),
                JSONField(
                    "Environment",
                    .object([
                        JSONField(
                            "Variables",
                            .object(variables.map { JSONField($0.key, .string($0.value)) }))
                    ])),
                JSONField("Code", .object([JSONField("ZipFile", .string(zip))])),
            ]).description.utf8)
        let http = HTTPClient()
        let limit = ContinuousClock.now + .seconds(40)
        let endpoint = try Endpoint(parsing: "http://127.0.0.1:\(port)")
        let signer = RequestSigner(
            credentials: Credentials(accessKeyID: "test", secretAccessKey: "test"),
            region: "us-east-1", service: "lambda")
        while true {
            do {
                let response = try body.withUnsafeBytes { bytes in
                    var request = HTTPRequest(
                        "POST", endpoint, path: "/2015-03-31/functions",
                        headers: [("content-type", "application/json")], body: bytes)
                    signer.sign(&request)
                    return try http.perform(request, deadline: limit)
                }
                guard response.status == 201 else {
                    throw Unexpected(String(decoding: response.body.prefix(500), as: UTF8.self))
                }
                return
            } catch let error as AWSError
                where error.code == .connectFailed && ContinuousClock.now < limit
            {
                usleep(100_000)
            }
        }
    }
}

extension Ministack {
    private func store(_ bucket: String) throws -> S3Client {
        S3Client(
            bucket: bucket, region: "us-east-1",
            endpoint: try Endpoint(parsing: "http://127.0.0.1:\(port)"),
            credentials: Credentials(accessKeyID: "test", secretAccessKey: "test"))
    }

    func makeBucket(_ name: String) throws {
        try store(name).createBucket(deadline: .now + .seconds(20))
    }

    func keys(_ bucket: String) throws -> [String] {
        try store(bucket).list("", deadline: .now + .seconds(20)).keys
    }
}

private func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isBound else { throw Unexpected("no free port") }
    return UInt16(bigEndian: address.sin_port)
}
