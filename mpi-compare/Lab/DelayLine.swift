// A wire as long as one wants: packets that the core sends into a TUN device come back out of it
// after the delay. A thread of the laboratory's owner does it, so it ends when the owner does.
import CLinux
@preconcurrency import Glibc
import Processes

/// Delays every packet that is routed into a TUN device, until it is stopped.
final class DelayLine: Sendable {
    private let stopPipe: Int32
    private let thread: pthread_t

    /// - Parameter namespace: the path of the network namespace that has the device.
    init(namespace: String, device: String, delay: Duration) throws(LaunchError) {
        let tun = try inNetworkNamespace(namespace) { () throws(LaunchError) in
            try openTUN(device)
        }
        let stop: (read: Int32, write: Int32)
        do throws(LaunchError) {
            stop = try makePipe()
        } catch {
            close(tun)
            throw error
        }
        do throws(LaunchError) {
            thread = try startThread {
                carry(tun, until: stop.read, DelayQueue(delay: delay))
                close(tun)
                close(stop.read)
            }
        } catch {
            for descriptor in [tun, stop.read, stop.write] { close(descriptor) }
            throw error
        }
        stopPipe = stop.write
    }

    func stop() {
        close(stopPipe)
        pthread_join(thread, nil)
    }
}

/// The other end of a TUN device that exists: reading gives what is routed into it.
private func openTUN(_ device: String) throws(LaunchError) -> Int32 {
    let tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
    guard tun >= 0 else {
        throw LaunchError("a delay needs /dev/net/tun: \(lastSystemError())")
    }
    // struct ifreq: 16 bytes of name, then IFF_TUN | IFF_NO_PI (packets without a header of TUN's).
    var request = [UInt8](repeating: 0, count: 40)
    request.replaceSubrange(0..<device.utf8.count, with: device.utf8)
    request[16] = 0x01
    request[17] = 0x10
    let setInterface: UInt = 0x4004_54CA  // TUNSETIFF, a macro that Swift cannot read
    guard ioctl(tun, setInterface, &request) == 0 else {
        let reason = lastSystemError()
        close(tun)
        throw LaunchError("cannot open the TUN device of the delay line: \(reason)")
    }
    return tun
}

private func carry(_ tun: Int32, until stop: Int32, _ queue: DelayQueue) {
    // A timer of its own: poll's timeout counts whole milliseconds.
    let timer = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC))
    defer { close(timer) }
    var queue = queue
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        while let packet = queue.take(now: nanoseconds()) {
            // An interface that is full or down loses packets, as any.
            _ = write(tun, packet, packet.count)
        }
        if let due = queue.nextDue { set(timer, due) }
        var descriptors = [tun, stop, queue.nextDue == nil ? -1 : timer].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        guard poll(&descriptors, 3, -1) > 0 else { continue }
        if descriptors[1].revents != 0 { return }
        // A bounded number at once, so that due packets need not wait for a burst to end.
        for _ in 0..<64 {
            let count = read(tun, &buffer, buffer.count)
            if count <= 0 { break }
            let now = nanoseconds()
            buffer.withUnsafeBytes { queue.add(.init(rebasing: $0[..<count]), now: now) }
        }
    }
}

/// Setting it again also forgets that it has run out.
private func set(_ timer: Int32, _ due: UInt64) {
    var setting = itimerspec()
    setting.it_value.tv_sec = Int(due / 1_000_000_000)
    setting.it_value.tv_nsec = Int(due % 1_000_000_000)
    timerfd_settime(timer, Int32(TFD_TIMER_ABSTIME), &setting, nil)
}

private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
