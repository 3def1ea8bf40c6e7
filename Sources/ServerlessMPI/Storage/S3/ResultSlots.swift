/// Results that several threads write, each its own, and one reads when all are done.
final class ResultSlots<Value: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    private var values: [Value?]

    init(_ count: Int) { values = Array(repeating: nil, count: count) }

    subscript(index: Int) -> Value? {
        get { monitor.withLock { values[index] } }
        set { monitor.withLock { values[index] = newValue } }
    }
}
