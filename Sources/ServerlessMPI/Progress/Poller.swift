// epoll and the eventfd that wakes a thread sleeping in it.

import CLinux
import Glibc
import MessagePassing

/// The set of descriptors one engine watches.
struct Poller {
    static let readable = EPOLLIN.rawValue
    static let writable = EPOLLOUT.rawValue
    /// Events fetched by one call.
    static let batch = 64
    /// The token of the wake-up descriptor; links have their peer's rank.
    private static let wakeToken = UInt64.max

    private let epoll: Int32
    private let wakeDescriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>

    init() throws(MPIError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeDescriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        events = .allocate(capacity: Self.batch)
        guard epoll >= 0, wakeDescriptor >= 0 else {
            throw MPIError(
                .system, operation: "join",
                reason: "no descriptor left for epoll; raise the limit (ulimit -n)",
                underlying: errno)
        }
        try add(wakeDescriptor, Self.readable, token: Self.wakeToken)
    }

    func close() {
        _ = Glibc.close(epoll)
        _ = Glibc.close(wakeDescriptor)
        events.deallocate()
    }

    func add(_ descriptor: Int32, _ mask: UInt32, token: UInt64) throws(MPIError) {
        guard control(EPOLL_CTL_ADD, descriptor, mask, token) == 0 else {
            throw MPIError(
                .system, operation: "join", reason: "epoll refuses a connection",
                underlying: errno)
        }
    }

    /// Watches for other events; none at all takes the descriptor out.
    func change(_ descriptor: Int32, from old: UInt32, to mask: UInt32, token: UInt64) {
        if mask == 0 {
            _ = control(EPOLL_CTL_DEL, descriptor, 0, token)
        } else {
            _ = control(old == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, mask, token)
        }
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, _ mask: UInt32, _ token: UInt64
    ) -> Int32 {
        var event = epoll_event(events: mask, data: epoll_data_t(u64: token))
        return epoll_ctl(epoll, operation, descriptor, &event)
    }

    /// How many events there are after at most `milliseconds`; see `event`.
    func wait(milliseconds: Int32) -> Int {
        max(0, Int(epoll_wait(epoll, events, Int32(Self.batch), milliseconds)))
    }

    /// Peer and event mask; nil for a wake-up, which is thereby taken.
    func event(_ index: Int) -> (peer: Int, mask: UInt32)? {
        let event = events[index]
        if event.data.u64 == Self.wakeToken {
            var count: UInt64 = 0
            _ = read(wakeDescriptor, &count, 8)
            return nil
        }
        return (Int(event.data.u64), event.events)
    }

    /// Ends a `wait`, or the next one if nobody waits.
    func wake() {
        var one: UInt64 = 1
        _ = write(wakeDescriptor, &one, 8)
    }
}
