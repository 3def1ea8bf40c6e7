import CLinux
import Glibc
import Testing

@testable import ServerlessMPI

/// Links that are idle for longer than a NAT remembers them.
@Suite(.serialized) struct KeepAliveTests {
    static func option(_ link: EstablishedLink, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(link.fileDescriptor, level, name, &value, &length) == 0 ? value : -1
    }

    static func check(_ link: EstablishedLink, seconds: Int32) {
        #expect(option(link, SOL_SOCKET, SO_KEEPALIVE) == 1, "\(link.path)")
        let tcp = Int32(IPPROTO_TCP)
        #expect(option(link, tcp, TCP_KEEPIDLE) == seconds, "\(link.path)")
        // What is lost is repeated before the next would have been due.
        let interval = option(link, tcp, TCP_KEEPINTVL)
        #expect(interval > 0 && interval <= min(seconds, 15), "\(link.path)")
    }

    @Test(arguments: [CandidatePolicy.all, .relayed], [nil, 1, 10, 32_767] as [Int?])
    func `idle links show signs of life at both ends`(
        _ candidates: CandidatePolicy, _ seconds: Int?
    ) throws {
        var world = try JoinWorld(size: 2)
        world.url.candidates = candidates
        if let seconds { world.url.keepAlive = .seconds(seconds) }
        let outcomes = world.run()
        defer { world.end(outcomes) }
        let links = outcomes.flatMap(\.links).compactMap(\.self)
        #expect(links.count == 2, "\(outcomes.compactMap(\.error))")
        for link in links {
            #expect((link.path.candidate == .relayed) == (candidates == .relayed))
            Self.check(link, seconds: Int32(seconds ?? 60))
        }
        // Neighbours meet on loopback, where the lower rank dials.
        if candidates == .all { #expect(Set(links.map(\.path.isDialled)).count == 2) }
    }

    @Test func `a link made later does so, too`() throws {
        var world = try JoinWorld(size: 2)
        world.url.mesh = 0
        world.url.keepAlive = .seconds(10)
        let outcomes = world.run()
        defer { world.end(outcomes) }
        let late = LinkMailbox()
        defer { EstablishedLink.close(late.close()) }
        outcomes[0].control?.setLinkHandler { _ = late.put($0) }
        outcomes[0].control?.need(1)
        var links: [EstablishedLink] = []
        for _ in 0..<2000 where links.isEmpty {
            usleep(5000)
            links = late.take()
        }
        defer { EstablishedLink.close(links) }
        #expect(links.count == 1)
        for link in links { Self.check(link, seconds: 10) }
    }
}
