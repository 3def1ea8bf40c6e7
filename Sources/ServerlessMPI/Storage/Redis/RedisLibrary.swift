// hiredis, loaded when the first connection is made.

import CHiredis
import Glibc
import MessagePassing

/// The functions of hiredis that are used here, as addresses for the C header's callers.
struct RedisLibrary: Sendable {
    private let addresses: [UInt]

    private enum Function: Int, CaseIterable {
        case connect, setTimeout, free, append, write, read, reply, freeReply

        var symbol: String {
            switch self {
            case .connect: "redisConnectWithTimeout"
            case .setTimeout: "redisSetTimeout"
            case .free: "redisFree"
            case .append: "redisAppendCommandArgv"
            case .write: "redisBufferWrite"
            case .read: "redisBufferRead"
            case .reply: "redisGetReplyFromReader"
            case .freeReply: "freeReplyObject"
            }
        }
    }

    static func loaded() throws(MPIError) -> RedisLibrary { try library.get() }

    private static let library = Result<RedisLibrary, MPIError> { () throws(MPIError) in
        try RedisLibrary()
    }

    private init() throws(MPIError) {
        func missing(_ why: String) -> MPIError {
            MPIError(.unsupported, operation: "load hiredis", reason: why)
        }
        guard let name = chiredis_library() else {
            throw missing(
                "this program was built without hiredis: install its headers (Debian: "
                    + "libhiredis-dev), then build again")
        }
        guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            let why = dlerror().map { String(cString: $0) } ?? "not found"
            throw missing("\(why); install it (Debian: libhiredis0.14) or package it")
        }
        var addresses: [UInt] = []
        for function in Function.allCases {
            guard let address = dlsym(library, function.symbol) else {
                throw missing("\(String(cString: name)) has no \(function.symbol)")
            }
            addresses.append(UInt(bitPattern: address))
        }
        self.addresses = addresses
    }

    private subscript(function: Function) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: addresses[function.rawValue])
    }

    func connect(_ host: String, _ port: UInt16, _ limit: Duration) -> UnsafeMutableRawPointer? {
        chiredis_connect(self[.connect], host, Int32(port), limit.inMicroseconds)
    }

    func setTimeout(_ context: UnsafeMutableRawPointer, _ limit: Duration) {
        _ = chiredis_set_timeout(self[.setTimeout], context, limit.inMicroseconds)
    }

    func append(
        _ context: UnsafeMutableRawPointer, _ words: inout [UnsafePointer<CChar>?],
        _ lengths: [Int]
    ) -> Bool {
        chiredis_append(self[.append], context, Int32(lengths.count), &words, lengths) == 0
    }

    func write(_ context: UnsafeMutableRawPointer, _ done: inout Int32) -> Bool {
        chiredis_write(self[.write], context, &done) == 0
    }

    func read(_ context: UnsafeMutableRawPointer) -> Bool {
        chiredis_read(self[.read], context) == 0
    }

    func reply(
        _ context: UnsafeMutableRawPointer, _ reply: inout UnsafeMutableRawPointer?
    ) -> Bool {
        chiredis_reply(self[.reply], context, &reply) == 0
    }

    func free(_ context: UnsafeMutableRawPointer) { chiredis_call(self[.free], context) }
    func freeReply(_ reply: UnsafeMutableRawPointer) { chiredis_call(self[.freeReply], reply) }
}

extension Duration {
    fileprivate var inMicroseconds: Int {
        Int(components.seconds) * 1_000_000 + Int(components.attoseconds / 1_000_000_000_000)
    }
}
