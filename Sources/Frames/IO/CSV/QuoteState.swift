// Where in a CSV record a byte stands. A rank that starts in the middle of a file cannot know
// whether it is inside quotes, so it computes what its range does to *every* state; the composition
// of the ranges before it then tells. Counting quotes alone would be wrong for a quote inside an
// unquoted field (5" disk), which is an ordinary character.
import Glibc

let quote = UInt8(ascii: "\"")
let lineFeed = UInt8(ascii: "\n")
let carriageReturn = UInt8(ascii: "\r")

/// What the next byte means, given all bytes before it.
enum QuoteState: UInt8, CaseIterable {
    /// A record begins here.
    case recordStart
    /// So does it, unless the byte is the line feed of a CR LF.
    case afterCarriageReturn
    /// A field begins here: only here does a quote open a quoted field.
    case fieldStart
    case unquoted
    case quoted
    /// After a quote inside quotes: another one stands for a quote, anything else ends the quotes.
    case quoteInQuoted

    var beginsRecord: Bool { self == .recordStart || self == .afterCarriageReturn }

    @inline(__always)
    func after(_ byte: UInt8, delimiter: UInt8) -> QuoteState {
        switch self {
        case .quoted: return byte == quote ? .quoteInQuoted : .quoted
        case .quoteInQuoted where byte == quote: return .quoted
        case .recordStart, .afterCarriageReturn, .fieldStart:
            if byte == quote { return .quoted }
        default: break
        }
        if byte == delimiter { return .fieldStart }
        if byte == lineFeed { return .recordStart }
        return byte == carriageReturn ? .afterCarriageReturn : .unquoted
    }

    /// The state after all of `bytes`. Jumps from quote to quote, since between two of them either
    /// nothing happens (inside) or only the last byte matters (outside).
    func after(_ bytes: UnsafeRawBufferPointer, delimiter: UInt8) -> QuoteState {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return self }
        var state = self
        var index = 0
        while index < bytes.count {
            if state == .quoteInQuoted {
                state = state.after(bytes[index], delimiter: delimiter)
                index += 1
                continue
            }
            guard let found = memchr(base + index, Int32(quote), bytes.count - index) else {
                if state == .quoted { return state }
                let last = bytes.count - 1
                let before = last == index ? state : .unquoted
                return before.after(bytes[last], delimiter: delimiter)
            }
            let position = UnsafeRawPointer(found) - base
            if state != .quoted && position > index {
                let last = position - 1
                let before = last == index ? state : .unquoted
                state = before.after(bytes[last], delimiter: delimiter)
            }
            state = state.after(quote, delimiter: delimiter)
            index = position + 1
        }
        return state
    }
}

/// What a range of bytes does to each state: six states in, six states out, one word on the wire.
struct QuoteStates: Equatable {
    /// The state that state `s` becomes is bits 4s ..< 4s + 4.
    private(set) var packed: UInt64

    init(packed: UInt64) { self.packed = packed }

    /// The effect of no bytes at all.
    static let identity = QuoteStates(
        packed: QuoteState.allCases.reduce(0) {
            $0 | UInt64($1.rawValue) << UInt64($1.rawValue * 4)
        })

    subscript(state: QuoteState) -> QuoteState {
        QuoteState(rawValue: UInt8(packed >> UInt64(state.rawValue * 4) & 15)) ?? .unquoted
    }

    /// Adds the effect of the bytes that follow. One pass per *different* state, hence two for
    /// nearly every file: inside quotes and outside.
    mutating func append(_ bytes: UnsafeRawBufferPointer, delimiter: UInt8) {
        guard let first = bytes.first else { return }
        let rest = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        var known: [QuoteState: QuoteState] = [:]
        var result: UInt64 = 0
        for state in QuoteState.allCases {
            let next = self[state].after(first, delimiter: delimiter)
            let end = known[next] ?? next.after(rest, delimiter: delimiter)
            known[next] = end
            result |= UInt64(end.rawValue) << UInt64(state.rawValue * 4)
        }
        packed = result
    }
}
