// What a run costs besides time: processor time of the rank's thread, and memory of its process.
import Glibc
import MessagePassing

enum ThreadClock {
    /// Processor time this thread has used.
    static var seconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// The most memory a process has held, as Linux notes it (proc(5): VmHWM, clear_refs).
enum PeakMemory {
    /// What was held so far no longer counts. Where that is not allowed, it goes on counting.
    static func forget() {
        guard let file = fopen("/proc/self/clear_refs", "w") else { return }
        fputs("5", file)
        fclose(file)
    }

    /// Of this process; 0 where it cannot be read.
    static var bytes: Int {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            guard text.starts(with: "VmHWM:".utf8) else { continue }
            return text.reduce(0) { (0x30...0x39).contains($1) ? $0 * 10 + Int($1 - 0x30) : $0 }
                * 1024
        }
        return 0
    }

    /// Over all processes, of which each may be several ranks. Collective.
    static func sum(on world: any Communicator) throws -> Int {
        let processes = try world.allgather(Int(getpid()))
        let peaks = try world.allgather(bytes)
        return processes.indices.reduce(0) { sum, rank in
            processes.firstIndex(of: processes[rank]) == rank ? sum + peaks[rank] : sum
        }
    }
}
