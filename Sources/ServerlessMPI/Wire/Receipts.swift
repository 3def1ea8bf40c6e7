// What has come over one link, in numbers: which frames are here in full, and when it is time to
// tell the peer, which keeps copies until it hears so. Pure.

/// The receiver's count of one link and direction. Frames are numbered from 1, modulo 2^32.
struct Receipts {
    /// A peer that sends no payload is told after so many frames at the latest.
    static let frameCountMax: UInt32 = 256

    private(set) var begun: UInt32 = 0
    /// The last frame that is here in full.
    private(set) var completed: UInt32 = 0
    private var told: UInt32 = 0
    private var byteCountUnderWay = 0
    private var untoldByteCount = 0

    /// The header of a frame with `byteCount` bytes behind it is here. False if it is out of turn.
    mutating func begin(_ sequence: UInt32, byteCount: Int) -> Bool {
        guard sequence == begun &+ 1, begun == completed else { return false }
        begun = sequence
        byteCountUnderWay = byteCount
        if byteCount == 0 { completed = sequence }
        return true
    }

    /// All of it is here.
    mutating func complete() {
        guard begun != completed else { return }
        completed = begun
        untoldByteCount += byteCountUnderWay
    }

    /// The number to tell the peer with the frame being written.
    mutating func tell() -> UInt32 {
        told = completed
        untoldByteCount = 0
        return completed
    }

    var isUntold: Bool { told != completed }

    /// Worth a frame of its own: the peer's ring may be half full.
    func isDue(ringByteCount: Int) -> Bool {
        completed &- told >= Self.frameCountMax || untoldByteCount >= ringByteCount / 2
    }
}
