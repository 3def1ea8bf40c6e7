// The server side of a connection: request, answer, until either side closes it.
import CompactHTTP

enum HTTPService {
    /// - Parameters:
    ///   - timeout: for sending one answer.
    ///   - refusal: the answer to what is no request, or too large.
    ///   - answer: nil to close the connection without one.
    static func serve(
        _ descriptor: Int32, timeout: Duration, refusal: (HTTPFault) -> HTTPMessage?,
        _ answer: (HTTPMessage) -> HTTPMessage?
    ) {
        let limits = HTTPLimits(
            bodyByteCountMax: 2 * FunctionSettings.synchronousPayloadByteCountMax)
        let connection = HTTPSocket(descriptor, .request, limits: limits)
        do throws(HTTPFault) {
            while true {
                let request = try connection.receive(timeout: nil)
                guard let answer = answer(request) else { return }
                try connection.send(answer.bytes, timeout: timeout)
                if !request.keepsAlive { return }
            }
        } catch {
            // To a client that is gone there is nothing to say.
            guard let refusal = refusal(error) else { return }
            try? connection.send(refusal.bytes, timeout: timeout)
        }
    }
}
