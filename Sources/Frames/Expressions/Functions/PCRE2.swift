// PCRE2, loaded when the first regular expression is made.
import CPCRE2
import Glibc

/// The functions of libpcre2-8.
struct PCRE2: Sendable {
    let compile: cpcre2_compile
    let jitCompile: cpcre2_jit_compile
    let createMatchData: cpcre2_match_data_create
    let freeMatchData: cpcre2_match_data_free
    let match: cpcre2_match
    let ovector: cpcre2_ovector
    let substitute: cpcre2_substitute
    let errorMessage: cpcre2_error_message
    let freeCode: cpcre2_code_free

    /// Nil where the library is not installed.
    static let library: PCRE2? = {
        guard let handle = dlopen("libpcre2-8.so.0", RTLD_NOW | RTLD_LOCAL) else { return nil }
        return PCRE2(handle)
    }()

    private init?(_ handle: UnsafeMutableRawPointer) {
        func function<Function>(_ name: String, as type: Function.Type) -> Function? {
            dlsym(handle, name).map { unsafeBitCast($0, to: type) }
        }
        guard let compile = function("pcre2_compile_8", as: cpcre2_compile.self),
            let jitCompile = function("pcre2_jit_compile_8", as: cpcre2_jit_compile.self),
            let createMatchData = function(
                "pcre2_match_data_create_from_pattern_8", as: cpcre2_match_data_create.self),
            let freeMatchData = function(
                "pcre2_match_data_free_8", as: cpcre2_match_data_free.self),
            let match = function("pcre2_match_8", as: cpcre2_match.self),
            let ovector = function("pcre2_get_ovector_pointer_8", as: cpcre2_ovector.self),
            let substitute = function("pcre2_substitute_8", as: cpcre2_substitute.self),
            let errorMessage = function("pcre2_get_error_message_8", as: cpcre2_error_message.self),
            let freeCode = function("pcre2_code_free_8", as: cpcre2_code_free.self)
        else { return nil }
        self.compile = compile
        self.jitCompile = jitCompile
        self.createMatchData = createMatchData
        self.freeMatchData = freeMatchData
        self.match = match
        self.ovector = ovector
        self.substitute = substitute
        self.errorMessage = errorMessage
        self.freeCode = freeCode
    }

    func message(_ error: Int32) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
            let length = errorMessage(error, buffer.baseAddress, buffer.count)
            return String(decoding: buffer.prefix(max(0, Int(length))), as: UTF8.self)
        }
    }
}

/// A compiled regular expression: immutable, so threads share it; each evaluation brings memory of
/// its own for matches.
final class RegexPattern: Sendable {
    let text: String
    private nonisolated(unsafe) let code: OpaquePointer?
    /// Why there is no code.
    let problem: String?

    init(_ text: String) {
        self.text = text
        guard let library = PCRE2.library else {
            code = nil
            problem = "regular expressions need libpcre2-8: apt-get install libpcre2-8-0"
            return
        }
        // Bytes that are no UTF-8, which a file may hold, match nothing.
        var error: Int32 = 0
        var offset = 0
        let bytes = Array(text.utf8)
        code = library.compile(
            bytes, bytes.count, UInt32(cpcre2_utf | cpcre2_match_invalid_utf), &error, &offset, nil)
        guard let code else {
            problem =
                "the pattern \"\(text)\" is wrong at byte \(offset): \(library.message(error))"
            return
        }
        // Without just-in-time compilation matching is slower, and the same.
        _ = library.jitCompile(code, UInt32(cpcre2_jit_complete))
        problem = nil
    }

    deinit {
        if let code, let library = PCRE2.library { library.freeCode(code) }
    }

    /// Calls `body` with a matcher; the pattern was checked to be one.
    func withMatcher<Result>(_ body: (inout RegexMatcher) -> Result) -> Result {
        guard let code, let library = PCRE2.library,
            let data = library.createMatchData(code, nil)
        else { preconditionFailure("the pattern was checked") }
        defer { library.freeMatchData(data) }
        var matcher = RegexMatcher(library: library, code: code, data: data)
        return body(&matcher)
    }
}

/// A pattern at work on one string after the other.
struct RegexMatcher {
    let library: PCRE2
    let code: OpaquePointer
    let data: OpaquePointer
    private var output: [UInt8] = Array(repeating: 0, count: 256)

    init(library: PCRE2, code: OpaquePointer, data: OpaquePointer) {
        self.library = library
        self.code = code
        self.data = data
    }

    /// How many groups the first match set, the whole match included; 0 without a match.
    func match(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        withBase(bytes) { base in
            max(0, Int(library.match(code, base, bytes.count, 0, 0, data, nil)))
        }
    }

    /// Bytes of a group of the last match; nil if it took no part.
    func range(ofGroup group: Int, of count: Int) -> Range<Int>? {
        guard group < count, let ovector = library.ovector(data) else { return nil }
        let (start, end) = (ovector[2 * group], ovector[2 * group + 1])
        return start == Int(bitPattern: UInt.max) || end < start ? nil : start..<end
    }

    /// Calls `body` with the text in which matches are replaced; nil if the replacement is wrong.
    mutating func substitute(
        _ bytes: UnsafeBufferPointer<UInt8>, _ replacement: UnsafeBufferPointer<UInt8>,
        isGlobal: Bool, _ body: (UnsafeBufferPointer<UInt8>) -> Void
    ) -> Int32 {
        var options = UInt32(cpcre2_substitute_overflow_length)
        if isGlobal { options |= UInt32(cpcre2_substitute_global) }
        while true {
            var length = output.count
            let status = withBase(bytes) { base in
                withBase(replacement) { replacement_ in
                    library.substitute(
                        code, base, bytes.count, 0, options, data, nil, replacement_,
                        replacement.count, &output, &length)
                }
            }
            if status == Int32(cpcre2_error_no_memory) {
                output = Array(repeating: 0, count: max(length, output.count * 2))
                continue
            }
            if status >= 0 {
                output.withUnsafeBufferPointer {
                    body(UnsafeBufferPointer(rebasing: $0[..<length]))
                }
            }
            return status
        }
    }

    private func withBase<Result>(
        _ bytes: UnsafeBufferPointer<UInt8>, _ body: (UnsafePointer<UInt8>) -> Result
    ) -> Result {
        if let base = bytes.baseAddress { return body(base) }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) { empty in
            guard let base = empty.baseAddress else { preconditionFailure("no stack") }
            return body(UnsafePointer(base))
        }
    }
}
