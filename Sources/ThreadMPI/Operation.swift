// A pending operation: a posted receive, a message that no receive has taken yet, or a nonblocking
// collective. What a `RequestHandle` or a `MessageHandle` points to.

import MessagePassing
import Synchronization

typealias OperationPointer = UnsafeMutablePointer<Operation>

/// One slot of a mailbox, used for one receive or message after another.
///
/// Whoever takes an operation out of matching owns its fields until it sets `state`; from then on
/// they are its waiter's.
struct Operation: ~Copyable {
    enum Kind { case receive, message, collective }

    /// Values of `state`.
    enum State {
        /// No partner, or one that is about to change the state.
        static let waiting: UInt32 = 0
        /// Matched; `transfer` is being copied by whoever has time.
        static let underWay: UInt32 = 1
        static let complete: UInt32 = 2
    }

    /// Where it is matched: of the receiving rank, for sends too.
    let mailbox: MailboxPointer
    /// Its name in the mailbox's queues.
    let id: UInt32
    var kind = Kind.receive
    let state = Atomic<UInt32>(State.waiting)

    /// The receive's buffer; the message's bytes, in `storage` or still with the sender.
    var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    var source = 0
    var tag = Tag.any
    /// Length of the message, which a receive's buffer may be too short for.
    var byteCount = 0
    var isTruncated = false

    /// A message's: was it copied, so that its send is complete already?
    var isBuffered = false
    /// A message's: has a receive taken it? A matched probe alone has not.
    var isTaken = false
    /// A message's: has the sender given up while a matched probe held it?
    var isWithdrawn = false

    /// Who waits for it: the receiver, or the sender of a message that is not buffered.
    var waiter: EndpointPointer
    /// The one it waits for; nil for a receive from any rank.
    var peer: EndpointPointer?
    var transfer: Unmanaged<Transfer>?
    /// Memory for buffered messages, kept from one to the next while it is small.
    var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    init(mailbox: MailboxPointer, id: UInt32, waiter: EndpointPointer) {
        self.mailbox = mailbox
        self.id = id
        self.waiter = waiter
    }

    /// Memory that a slot keeps for the next message.
    private static let keptByteCount = 4 << 10

    /// Copies a message, so that its sender can go on.
    mutating func buffer(_ message: UnsafeRawBufferPointer) {
        if storage.count < message.count {
            storage.deallocate()
            storage = .allocate(byteCount: max(message.count, 256), alignment: 64)
        }
        bytes = UnsafeMutableRawBufferPointer(rebasing: storage[..<message.count])
        bytes.copyMemory(from: message)
        isBuffered = true
    }

    /// Makes the slot ready for its next use.
    mutating func reset() {
        state.store(State.waiting, ordering: .relaxed)
        isTruncated = false
        isBuffered = false
        isTaken = false
        isWithdrawn = false
        peer = nil
        transfer?.release()
        transfer = nil
        if storage.count > Self.keptByteCount {
            storage.deallocate()
            storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
    }

    deinit {
        transfer?.release()
        storage.deallocate()
    }
}

extension UnsafeMutablePointer where Pointee == Operation {
    @inline(__always)
    var state: UInt32 { pointee.state.load(ordering: .sequentiallyConsistent) }

    /// Hands the operation to its waiter. It must not be touched afterwards.
    @inline(__always)
    func complete() {
        let waiter = pointee.waiter
        pointee.state.store(Operation.State.complete, ordering: .sequentiallyConsistent)
        if waiter.pointee.collectiveCount.load(ordering: .sequentiallyConsistent) > 0 {
            waiter.pointee.notify()
        } else {
            waiter.pointee.wake()
        }
    }

    /// Says that there are bytes to copy. From then on others may complete the operation.
    func begin() {
        pointee.state.store(Operation.State.underWay, ordering: .sequentiallyConsistent)
    }

    /// Is the rank that must do its part gone? Then nothing will ever complete this.
    var isOrphaned: Bool {
        // In this order: all that a rank did is visible once it is seen to have left.
        guard let peer = pointee.peer, peer.pointee.hasLeft.load(ordering: .sequentiallyConsistent)
        else { return false }
        return state == Operation.State.waiting
    }
}

extension OperationPointer {
    /// Nil for a request that was complete from the start.
    @inline(__always)
    init?(_ handle: RequestHandle) { self.init(bitPattern: UInt(handle.rawValue)) }

    @inline(__always)
    var handle: RequestHandle { RequestHandle(rawValue: UInt64(UInt(bitPattern: self))) }
}

extension RequestHandle {
    /// Complete from the start, with nothing to tell.
    static let done = RequestHandle(rawValue: 0)
}
