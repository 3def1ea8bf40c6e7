// Threads of a rank: communicators may be called from several at once.

import Glibc
import Synchronization

private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs `body` on `count` threads and returns, as text, what each returned or threw.
func onThreads<Value>(
    _ count: Int, _ body: @escaping @Sendable (_ index: Int) throws -> Value
) -> [String] {
    let results = Results(count: count)
    var threads: [pthread_t] = []
    for index in 0..<count {
        let work = Work {
            do { results.set(index, "\(try body(index))") } catch { results.set(index, "\(error)") }
        }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        if code == 0 { threads.append(thread) }
    }
    for thread in threads { pthread_join(thread, nil) }
    return results.all
}

private final class Results: Sendable {
    private let texts: Mutex<[String]>

    init(count: Int) { texts = Mutex(Array(repeating: "no thread", count: count)) }

    func set(_ index: Int, _ text: String) { texts.withLock { $0[index] = text } }

    var all: [String] { texts.withLock { $0 } }
}
