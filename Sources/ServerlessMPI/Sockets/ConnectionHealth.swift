// Is there still somebody at the other end of a connection? What the kernel knows, and how it is
// judged. A peer that only computes acknowledges what it is sent by its kernel, so that silence
// of the program says nothing, and silence of the kernel does.

import Glibc

/// What the kernel knows about one connection, as far as it matters here.
struct ConnectionHealth: Equatable {
    /// The kernel has closed it: reset, or timed out.
    var isClosed = false
    /// Segments sent and not acknowledged.
    var unacknowledged = 0
    /// Times that the oldest of them has been sent again in a row.
    var retransmissions = 0
    /// Probes in a row that nobody has answered: of an idle connection, or of a closed window.
    var probes = 0
    /// Since when nothing has been acknowledged.
    var silence = Duration.zero

    /// Data outstanding for so long without any answer, and sent again, has no way any more.
    static let patience = Duration.seconds(4)
    static let retransmissionsMin = 3
    static let probesMin = 4

    var isDead: Bool {
        if isClosed { return true }
        guard silence >= Self.patience else { return false }
        return unacknowledged > 0 && retransmissions >= Self.retransmissionsMin
            || probes >= Self.probesMin
    }
}

extension Socket {
    private static let closedState: UInt8 = 7

    /// Nil where the kernel does not say.
    static func health(_ descriptor: Int32) -> ConnectionHealth? {
        var information = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        guard
            getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &information, &length) == 0
        else { return nil }
        return ConnectionHealth(
            isClosed: information.tcpi_state == closedState,
            unacknowledged: Int(information.tcpi_unacked),
            retransmissions: Int(information.tcpi_retransmits),
            probes: Int(information.tcpi_probes),
            silence: .milliseconds(Int(information.tcpi_last_ack_recv)))
    }

    static func isDead(_ descriptor: Int32) -> Bool { health(descriptor)?.isDead ?? false }
}
