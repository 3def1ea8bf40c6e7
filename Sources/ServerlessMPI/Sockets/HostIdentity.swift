// What this machine is to others: the addresses of its interfaces, and a tag that processes of
// the same host and network namespace have in common.

import CLinux
import Glibc

enum HostIdentity {
    /// A hash of the kernel's boot id and the network namespace; random where they are hidden, so
    /// that nobody is taken for a neighbour.
    static func tag() -> [UInt8] {
        guard let boot = readFile("/proc/sys/kernel/random/boot_id"),
            let namespace = readLink("/proc/self/ns/net")
        else { return RequestID.random().bytes }
        return RequestID(naming: boot + namespace).bytes
    }

    private static func readFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return text { read(descriptor, $0.baseAddress, $0.count) }
    }

    private static func readLink(_ path: String) -> String? {
        text { buffer in
            let characters = buffer.assumingMemoryBound(to: CChar.self)
            guard let start = characters.baseAddress else { return 0 }
            return readlink(path, start, buffer.count)
        }
    }

    private static func text(_ fill: (UnsafeMutableRawBufferPointer) -> Int) -> String? {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = bytes.withUnsafeMutableBytes { fill($0) }
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }

    /// The addresses of this machine's interfaces that are up: loopback first (of IPv4 if it has
    /// that, else of IPv6), then IPv4, then IPv6.
    static func addresses() -> [IPAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [.loopback4] }
        defer { freeifaddrs(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            guard entry.pointee.ifa_flags & UInt32(IFF_UP) != 0,
                let address = entry.pointee.ifa_addr
            else { continue }
            let family = Int32(address.pointee.sa_family)
            guard family == AF_INET || family == AF_INET6 else { continue }
            let size =
                family == AF_INET
                ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
            let bytes = UnsafeRawBufferPointer(start: address, count: size)
            if let ip = SocketAddress(sockaddrBytes: bytes)?.ip, !found.contains(ip) {
                found.append(ip)
            }
        }
        let loopbacks = found.filter { $0 == .loopback4 } + found.filter { $0 == .loopback6 }
        let usable = found.filter { $0.isUsable && !$0.isLoopback }
        return loopbacks.prefix(1) + usable.filter(\.isV4) + usable.filter { !$0.isV4 }
    }

    /// All numeric addresses of a host name, IPv4 first.
    static func resolve(_ host: String, port: UInt16) -> Result<[SocketAddress], IOFailure> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            return .failure(IOFailure(reason: String(cString: gai_strerror(status))))
        }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            let bytes = UnsafeRawBufferPointer(
                start: entry.pointee.ai_addr, count: Int(entry.pointee.ai_addrlen))
            guard !bytes.isEmpty, var address = SocketAddress(sockaddrBytes: bytes) else {
                continue
            }
            address.port = port
            if !found.contains(address) { found.append(address) }
        }
        return .success(found.filter(\.ip.isV4) + found.filter { !$0.ip.isV4 })
    }
}
