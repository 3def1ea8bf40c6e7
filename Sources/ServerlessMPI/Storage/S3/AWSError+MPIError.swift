import AWSClient
import MessagePassing

/// An AWSError as an MPIError.
func translated<Result>(
    _ operation: String, _ body: () throws(AWSError) -> Result
) throws(MPIError) -> Result {
    do throws(AWSError) {
        return try body()
    } catch {
        let code: MPIError.Code =
            switch error.code {
            case .timedOut: .timedOut
            case .connectFailed: .connectFailed
            case .invalidArgument, .credentialsMissing: .invalidArgument
            case .libraryMissing: .unsupported
            case .refused where error.status == 403: .unauthorized
            default: .system
            }
        throw MPIError(code, operation: operation, reason: "\(error)")
    }
}
