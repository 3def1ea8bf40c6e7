// What a sandbox writes: read from its pipe as it comes, passed on line by line, and kept, as far
// as an invocation's answer may want its end.
@preconcurrency import Glibc
import Synchronization

final class SandboxLog: Sendable {
    /// What `X-Amz-Log-Result` carries at most, in bytes.
    static let tailByteCountMax = 4096

    private struct State {
        var kept: [UInt8] = []
        var line: [UInt8] = []
        var isOpen = true
    }

    private let descriptor: Int32
    private let state = Mutex(State())
    private let sink: @Sendable (String) -> Void

    /// - Parameter descriptor: the reading end of the pipe, nonblocking; closed at its end.
    init(_ descriptor: Int32, sink: @escaping @Sendable (String) -> Void) {
        self.descriptor = descriptor
        self.sink = sink
        runOnThread { [self] in
            while true {
                var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&item, 1, -1)
                if !drain() { return }
            }
        }
    }

    /// Takes in what is there; false once the pipe has ended.
    @discardableResult
    func drain() -> Bool {
        state.withLock { state in
            guard state.isOpen else { return false }
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count > 0 {
                    add(buffer[..<count], &state)
                } else if count == 0 {
                    if !state.line.isEmpty { sink(String(decoding: state.line, as: UTF8.self)) }
                    state.isOpen = false
                    close(descriptor)
                    return false
                } else if errno != EINTR {
                    return true
                }
            }
        }
    }

    /// A line of the platform's own.
    func add(_ line: String) {
        state.withLock { add(Array("\(line)\n".utf8)[...], &$0) }
    }

    private func add(_ bytes: ArraySlice<UInt8>, _ state: inout State) {
        state.kept += bytes
        if state.kept.count > 4 * SandboxLog.tailByteCountMax {
            state.kept.removeFirst(state.kept.count - 2 * SandboxLog.tailByteCountMax)
        }
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                sink(String(decoding: state.line, as: UTF8.self))
                state.line = []
            } else if state.line.count < 64 << 10 {
                state.line.append(byte)
            }
        }
    }

    /// Forgets what was kept: another invocation begins.
    func begin() { state.withLock { $0.kept = [] } }

    /// The last 4 KiB since then.
    var tail: [UInt8] {
        drain()
        return state.withLock { Array($0.kept.suffix(SandboxLog.tailByteCountMax)) }
    }
}
