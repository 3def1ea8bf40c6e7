// What is going on, on standard error: one line that is rewritten on a terminal, plain lines where
// the output goes to a file.
import Launchers

final class Progress {
    private let steps: Int
    private var step = 0
    private var label = ""
    private let isLive = isTerminal(.standardError)

    init(steps: Int) { self.steps = steps }

    func nextStep(_ label: String) {
        step += 1
        self.label = label
        if isLive {
            rewrite("")
        } else {
            writeLine("[\(step)/\(steps)] \(label)", to: .standardError)
        }
    }

    func detail(_ text: String) {
        if isLive {
            rewrite(" · \(text)")
        } else {
            writeLine("[\(step)/\(steps)] \(label): \(text)", to: .standardError)
        }
    }

    func finish() {
        if isLive { write(Array("\r\u{1B}[K".utf8), to: .standardError) }
    }

    private func rewrite(_ text: String) {
        write(Array("\r\u{1B}[K[\(step)/\(steps)] \(label)\(text)".utf8), to: .standardError)
    }
}
