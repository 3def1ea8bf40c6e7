// Round-trip time and throughput between two ranks of this process: the one asks, the other obeys
// until it is told to stop. What lies between them is the caller's choice.

import MessagePassing
import Synchronization

enum RelayMeasurement {
    private enum Request: Int32 {
        /// Send it back.
        case echo = 1
        /// Answer with one byte.
        case take
        /// Send as many bytes.
        case give
        case stop

        var tag: Tag { Tag(rawValue: rawValue) }
    }

    private static let echoesMax = 50
    private static let echoTime = Duration.seconds(1)
    private static let firstByteCount = 16 << 10
    private static let lastByteCount = 8 << 20
    /// A transfer that has taken so long is long enough to be believed.
    private static let transferTime = Duration.milliseconds(500)

    /// Joins both ranks and measures what is between them.
    static func run(
        _ pair: [JoinConfiguration], _ deadline: ContinuousClock.Instant
    ) -> Result<NetworkProbe.Relay, MPIError> {
        precondition(pair.count == 2)
        do throws(MPIError) {
            let follower: DedicatedThread
            do throws(SystemFailure) {
                follower = try DedicatedThread { _ = try? take(part: follow, in: pair[1]) }
            } catch {
                throw MPIError(.system, operation: "probe", reason: error.description)
            }
            defer { follower.join() }
            return .success(
                try take(
                    part: { (world) throws(MPIError) in try lead(world, deadline) }, in: pair[0])
            )
        } catch {
            return .failure(error)
        }
    }

    private static func take<Value>(
        part: (ServerlessCommunicator) throws(MPIError) -> Value,
        in configuration: JoinConfiguration
    ) throws(MPIError) -> Value {
        let membership = try Membership(configuration)
        do throws(MPIError) {
            let value = try part(membership.world)
            try membership.end()
            return value
        } catch {
            _ = membership.fail(error)
            membership.world.engine.closeLinks()
            throw error
        }
    }

    // MARK: The two parts

    private static func follow(_ world: ServerlessCommunicator) throws(MPIError) {
        var buffer = [UInt8](repeating: 0, count: lastByteCount)
        while true {
            let message = try world.mprobe(from: 0, tag: .any)
            let request = Request(rawValue: message.status.tag.rawValue)
            let status = try message.recv(into: buffer.mutableSpan)
            switch request {
            case .echo: try world.send(buffer.span.extracting(first: status.byteCount), to: 0)
            case .take: try world.send(UInt8(0), to: 0)
            case .give:
                let count = buffer.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
                try world.send(
                    buffer.span.extracting(first: min(Int(count), lastByteCount)), to: 0)
            case .stop, nil: return
            }
        }
    }

    private static func lead(
        _ world: ServerlessCommunicator, _ deadline: ContinuousClock.Instant
    ) throws(MPIError) -> NetworkProbe.Relay {
        var buffer = [UInt8](repeating: 0, count: lastByteCount)
        let roundTripTime = try measureEcho(world, &buffer)
        // Half of what is left for growing, so that the way back has its time too.
        let growUntil = ContinuousClock.now + (deadline - .now) / 2
        var count = firstByteCount
        var there = try transfer(count, world, &buffer)
        while there < transferTime, count < lastByteCount, .now < growUntil {
            count *= 2
            there = try transfer(count, world, &buffer)
        }
        let start = ContinuousClock.now
        try world.send(UInt32(count), to: 1, tag: Request.give.tag)
        try world.recv(into: buffer.mutableSpan, from: 1)
        let both = there + (ContinuousClock.now - start)
        try world.send(UInt8(0), to: 1, tag: Request.stop.tag)
        return NetworkProbe.Relay(
            roundTripTime: roundTripTime, bytesPerSecond: Double(2 * count) / (both / .seconds(1)))
    }

    private static func measureEcho(
        _ world: ServerlessCommunicator, _ buffer: inout [UInt8]
    ) throws(MPIError) -> Duration {
        let enough = ContinuousClock.now + echoTime
        var times: [Duration] = []
        repeat {
            let start = ContinuousClock.now
            try world.send(UInt64(0), to: 1, tag: Request.echo.tag)
            try world.recv(into: buffer.mutableSpan, from: 1)
            times.append(ContinuousClock.now - start)
        } while times.count < echoesMax && .now < enough
        return times.sorted()[times.count / 2]
    }

    /// Until the other has it and has said so.
    private static func transfer(
        _ count: Int, _ world: ServerlessCommunicator, _ buffer: inout [UInt8]
    ) throws(MPIError) -> Duration {
        let start = ContinuousClock.now
        try world.send(buffer.span.extracting(first: count), to: 1, tag: Request.take.tag)
        try world.recv(into: buffer.mutableSpan, from: 1)
        return ContinuousClock.now - start
    }
}
