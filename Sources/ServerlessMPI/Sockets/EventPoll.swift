// One epoll set: which descriptors can move, and a wake-up from other threads. Ranks' control
// threads and the rendezvous server sleep in the same loop.

import CLinux
import Glibc

/// What happened to one watched descriptor; `token` is its owner's name for it.
struct PollEvent {
    let token: UInt64
    let isReadable: Bool
    let isWritable: Bool
}

/// An epoll set. Tokens are never reused by their owners, so that an event that was fetched
/// before its descriptor was removed finds nobody instead of the wrong one.
final class EventPoll: Sendable {
    /// The token of a wake-up.
    static let wakeToken = UInt64.max

    private let epoll: Int32
    private let wakeUp: Int32

    init() throws(SystemFailure) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemFailure(call: "epoll_create1", errorNumber: errno) }
        wakeUp = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard wakeUp >= 0 else {
            let number = errno
            close(epoll)
            throw SystemFailure(call: "eventfd", errorNumber: number)
        }
        watch(wakeUp, Self.wakeToken, reads: true, writes: false)
    }

    deinit {
        close(wakeUp)
        close(epoll)
    }

    func watch(_ descriptor: Int32, _ token: UInt64, reads: Bool, writes: Bool) {
        control(EPOLL_CTL_ADD, descriptor, token, reads, writes)
    }

    func change(_ descriptor: Int32, _ token: UInt64, reads: Bool, writes: Bool) {
        control(EPOLL_CTL_MOD, descriptor, token, reads, writes)
    }

    func forget(_ descriptor: Int32) {
        control(EPOLL_CTL_DEL, descriptor, 0, false, false)
    }

    private func control(
        _ operation: Int32, _ descriptor: Int32, _ token: UInt64, _ reads: Bool, _ writes: Bool
    ) {
        var event = epoll_event()
        if reads { event.events |= EPOLLIN.rawValue }
        if writes { event.events |= EPOLLOUT.rawValue }
        event.data.u64 = token
        _ = epoll_ctl(epoll, operation, descriptor, &event)
    }

    /// Ends another thread's `wait`, now or the next one.
    func wake() {
        var one: UInt64 = 1
        _ = write(wakeUp, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits until something happens, at most until `deadline`; errors and hang-ups count as
    /// readable and writable, because the next read or write tells.
    func wait(until deadline: ContinuousClock.Instant?) -> [PollEvent] {
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        let count = epoll_wait(epoll, &events, Int32(events.count), milliseconds(until: deadline))
        guard count > 0 else { return [] }
        return events[..<Int(count)].map { event in
            if event.data.u64 == Self.wakeToken {
                var value: UInt64 = 0
                _ = read(wakeUp, &value, MemoryLayout<UInt64>.size)
            }
            let broken = event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
            return PollEvent(
                token: event.data.u64,
                isReadable: broken || event.events & EPOLLIN.rawValue != 0,
                isWritable: broken || event.events & EPOLLOUT.rawValue != 0)
        }
    }

    /// Rounded up, so that the loop never spins through the last fraction of a millisecond.
    private func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = deadline - .now
        guard left > .zero else { return 0 }
        let (seconds, attoseconds) = left.components
        guard seconds < 1000 else { return 1_000_000 }
        return Int32(seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
