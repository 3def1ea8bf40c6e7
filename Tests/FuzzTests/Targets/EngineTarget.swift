// The progress engine of a rank whose peer says anything at all, over a real socket.

import Glibc
import MessagePassing

@testable import ServerlessMPI

extension FuzzTarget {
    static let engines: [FuzzTarget] = [
        FuzzTarget(name: "engine", seeds: engineSeeds, mutations: 600, run: engine)
    ]

    @Sendable private static func engineSeeds() -> [[UInt8]] {
        let eager = header(.eager) { $0.payloadByteCount = 24 } + [UInt8](repeating: 5, count: 24)
        let announced = header(.requestToSend) { $0.payloadByteCount = 100_000 }
        let data =
            header(.rendezvousData) {
                $0.sequence = 2
                $0.payloadByteCount = 64
            } + [UInt8](repeating: 6, count: 64)
        let abort = AbortCause.encode(cause)
        let aborting = header(.abort) { $0.payloadByteCount = abort.count } + abort
        return [0, 1, 4].flatMap { kind in
            [eager, announced + data, aborting, header(.credit), header(.bye), header(.resume)]
                .map { [UInt8(kind)] + $0 }
        }
    }

    /// The first byte says whether the link survives, and whether a receive waits, or blocks until the
    /// link's end.
    @Sendable private static func engine(_ bytes: [UInt8]) {
        guard let kind = bytes.first, bytes.count < 100_000 else { return }
        var ends: [Int32] = [0, 0]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        defer { close(ends[1]) }
        let path = LinkPath(
            candidate: .host, localAddress: "", remoteAddress: "", isSameHost: true,
            isDialled: true, roundTripTime: .zero, connectTime: .zero)
        let link = EstablishedLink(
            peer: 1, fileDescriptor: ends[0], tls: nil, path: path, isResumable: kind & 1 == 1)
        guard
            let engine = try? Engine(
                rank: 0, links: [nil, link],
                settings: EngineSettings(
                    timeout: .seconds(1), unexpectedByteCountMax: 1 << 20, verdictTimeout: .zero))
        else { return }
        // What lies behind a receive's buffer stays as it is.
        let room = 64
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room + 64, alignment: 64)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5)
        let buffer = UnsafeMutableRawBufferPointer(rebasing: memory[..<room])
        let blocks = kind & 4 != 0 && !link.isResumable
        if kind & 2 == 0, !blocks {
            _ = try? engine.irecv(into: buffer, in: engine.world, from: .any, tag: .any, call: 0)
        }
        _ = bytes.dropFirst().withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) }
        if blocks {
            shutdown(ends[1], Int32(SHUT_WR))
            for _ in 0..<4 {
                _ = try? engine.recv(
                    into: buffer, in: engine.world, from: 1, tag: .zero, call: 0)
            }
        }
        engine.lock()
        if let pointer = engine.links[1] {
            for _ in 0..<4 { _ = engine.read(pointer) }
        }
        engine.unlock()
        require(memory[room...].allSatisfy { $0 == 0xA5 }, "bytes behind the receive's buffer")
        engine.closeLinks()
    }
}
