// The way of most messages: eager, over a plain link with nothing queued, taken by the socket whole.
// Such a send is done when the call returns, so it needs no slot for a request or a frame.

import Glibc
import MessagePassing

extension Engine {
    /// Payloads up to here are put behind their header first: one send(2) from one place costs less
    /// than the kernel's work on a list of two.
    private static let gatheredByteCountMax = 2 << 10
    /// Room for a header and such a payload: `outgoing`.
    static let outgoingByteCount = FrameHeader.byteCount + gatheredByteCountMax

    /// Writes an eager message straight from the program's memory, if nothing is in its way.
    ///
    /// - Returns: the handle of its request, mostly `completed`; nil, and nothing is changed, if the
    ///   message must take the general way.
    func sendAtOnce(
        _ bytes: UnsafeRawBufferPointer, in space: MessageSpace, to destination: Int, tag: Tag,
        call: UInt64, on link: LinkPointer
    ) -> RequestHandle? {
        let charge = eagerCharge(bytes.count)
        guard link.pointee.isIdlePlain,
            bytes.count <= settings.eagerByteCountMax(call: call, on: link),
            link.pointee.sendCredit.take(charge)
        else { return nil }
        var header = FrameHeader(
            type: .eager, source: Int32(space.rank), tag: tag.rawValue,
            contextID: space.contextID, call: call, payloadByteCount: bytes.count)
        fillIn(&header, on: link)
        let written = write(header, bytes, on: link)
        if written == FrameHeader.byteCount + bytes.count { return .completed }
        let index = takeSend(bytes, in: space, to: destination, tag: tag, call: call)
        let frame = append(header, payload: bytes.baseAddress, request: index, on: link)
        frames[frame].isEager = true
        frames[frame].written = max(0, written)
        flush(link)
        return RequestHandle(rawValue: requests.name(index))
    }

    /// Bytes that the socket has taken; 0 or less if it took none.
    @inline(__always)
    private func write(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, on link: LinkPointer
    ) -> Int {
        header.encode(into: outgoing)
        let payload = outgoing + FrameHeader.byteCount
        if bytes.count <= Self.gatheredByteCountMax {
            if let source = bytes.baseAddress {
                payload.copyMemory(from: source, byteCount: bytes.count)
            }
            return link.pointee.writeBytes(outgoing, FrameHeader.byteCount + bytes.count)
        }
        var parts = (
            iovec(iov_base: outgoing, iov_len: FrameHeader.byteCount),
            iovec(
                iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                iov_len: bytes.count)
        )
        return withUnsafeMutablePointer(to: &parts) {
            $0.withMemoryRebound(to: iovec.self, capacity: 2) { link.pointee.writeParts($0, 2) }
        }
    }
}
