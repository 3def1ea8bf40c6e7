// The function that the emulator's tests run: it does what its event says, and tells what its
// sandbox is like. It uses the Runtime API alone.
import Glibc
import CompactJSON
import LambdaRuntime

@main
enum Program {
    static func main() {
        guard let runtime = RuntimeClient.ofThisSandbox() else { exit(2) }
        if getenv("SUBJECT_FAILS_TO_START") != nil {
            try? runtime.failInitialization(type: "Subject.NoData", message: "nothing to read")
            exit(1)
        }
        var count = 0
        while let invocation = try? runtime.next() {
            count += 1
            let event = JSONValue(parsing: invocation.payload) ?? .null
            do {
                let answer = try perform(event, invocation, count)
                try runtime.respond(to: invocation, with: answer)
            } catch let error as RuntimeError {
                try? runtime.fail(invocation, type: "Subject.\(error.code)", message: "\(error)")
            } catch {
                try? runtime.fail(invocation, type: "Subject.Failed", message: "\(error)")
            }
        }
    }

    struct Failure: Error {}

    static func perform(
        _ event: JSONValue, _ invocation: Invocation, _ count: Int
    ) throws -> [UInt8] {
        if let text = event["print"]?.string { log(text) }
        if let code = event["exit"]?.integer { exit(Int32(code)) }
        if let seconds = event["sleep"]?.number { usleep(UInt32(seconds * 1_000_000)) }
        if let megabytes = event["allocate"]?.integer { allocate(megabytes) }
        if event["fail"] != nil { throw Failure() }
        if let byteCount = event["answer"]?.integer {
            return [0x22] + [UInt8](repeating: 0x61, count: byteCount - 2) + [0x22]
        }
        return Array(
            JSONValue.object([
                JSONField("requestID", .string(invocation.requestID)),
                JSONField("count", .integer(count)),
                JSONField("left", .number((invocation.deadline - .now) / .seconds(1))),
                JSONField("sandbox", event["look"] == nil ? .null : sandbox()),
                JSONField("busy", event["spin"]?.number.map { .number(spin($0)) } ?? .null),
            ]).description.utf8)
    }

    /// Touches so much memory; by the kernel's hand, because compilers drop stores nobody reads.
    static func allocate(_ megabytes: Int) {
        let count = megabytes << 20
        let memory = mmap(
            nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
        munmap(memory, count)
    }

    /// Computes for so many seconds on one thread; the share of a processor it got.
    static func spin(_ seconds: Double) -> Double {
        let limit = now(CLOCK_MONOTONIC) + seconds
        let before = now(CLOCK_PROCESS_CPUTIME_ID)
        while now(CLOCK_MONOTONIC) < limit {}
        return (now(CLOCK_PROCESS_CPUTIME_ID) - before) / seconds
    }

    static func now(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// What the process can see and do.
    static func sandbox() -> JSONValue {
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        let mark = open("/tmp/mark", O_RDWR | O_CREAT | O_EXCL, 0o600)
        let isFirst = mark >= 0
        close(mark)
        return .object([
            JSONField("files", .integer(Int(files.rlim_cur))),
            JSONField("user", .integer(Int(getuid()))),
            JSONField("root", .array(names("/").map { .string($0) })),
            JSONField("task", .array(names("/var/task").map { .string($0) })),
            JSONField("taskWrite", .integer(writeError("/var/task/x"))),
            JSONField("rootWrite", .integer(writeError("/x"))),
            JSONField("freshTemporaries", .bool(isFirst)),
            JSONField("processes", .integer(names("/proc").count { Int($0) != nil })),
            JSONField("memory", variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")),
            JSONField("colour", variable("COLOUR")),
            JSONField("home", variable("HOME")),
        ])
    }

    static func variable(_ name: String) -> JSONValue {
        getenv(name).map { .string(String(cString: $0)) } ?? .null
    }

    static func writeError(_ path: String) -> Int {
        let descriptor = open(path, O_WRONLY | O_CREAT, 0o600)
        if descriptor < 0 { return Int(errno) }
        close(descriptor)
        return 0
    }

    static func names(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    static func log(_ text: String) {
        let line = Array("\(text)\n".utf8)
        _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
    }
}
