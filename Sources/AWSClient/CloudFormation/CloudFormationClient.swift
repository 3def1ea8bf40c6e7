// Stacks: made, changed, watched and removed by CloudFormation's query interface.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html

import Glibc

/// Signed requests to CloudFormation in one region.
package struct CloudFormationClient: Sendable {
    package struct Stack: Sendable {
        /// `CREATE_COMPLETE`, `ROLLBACK_IN_PROGRESS` …
        package var status: String
        package var outputs: [(name: String, value: String)]

        package var isSettled: Bool { !status.hasSuffix("_IN_PROGRESS") }
        package var isGood: Bool { ["CREATE_COMPLETE", "UPDATE_COMPLETE"].contains(status) }
    }

    private let endpoint: Endpoint
    private let signer: RequestSigner
    private let client: HTTPClient
    private static let version = "2010-05-15"
    /// What one request may take.
    private static let requestTime = Duration.seconds(60)

    package init(
        region: String, endpoint: Endpoint, credentials: Credentials,
        client: HTTPClient = HTTPClient()
    ) {
        self.endpoint = endpoint
        signer = RequestSigner(credentials: credentials, region: region, service: "cloudformation")
        self.client = client
    }

    /// Creates the stack, or changes it if it is there.
    /// - Returns: false if it is there and needs no change.
    package func deploy(
        _ stack: String, template: String, parameters: [(name: String, value: String)]
    ) throws(AWSError) -> Bool {
        var fields = [("StackName", stack), ("TemplateBody", template)]
        // The template makes roles, and is itself made by SAM's transform.
        fields += [
            ("Capabilities.member.1", "CAPABILITY_IAM"),
            ("Capabilities.member.2", "CAPABILITY_AUTO_EXPAND"),
        ]
        for (index, parameter) in parameters.enumerated() {
            fields.append(("Parameters.member.\(index + 1).ParameterKey", parameter.name))
            fields.append(("Parameters.member.\(index + 1).ParameterValue", parameter.value))
        }
        let isThere = try describe(stack) != nil
        do throws(AWSError) {
            _ = try call(isThere ? "UpdateStack" : "CreateStack", stack, fields)
        } catch {
            if isThere && error.reason.contains("No updates are to be performed") { return false }
            throw error
        }
        return true
    }

    /// nil if there is no such stack.
    package func describe(_ stack: String) throws(AWSError) -> Stack? {
        let text: String
        do throws(AWSError) {
            text = try call("DescribeStacks", stack, [("StackName", stack)])
        } catch {
            if error.reason.contains("does not exist") { return nil }
            throw error
        }
        guard let status = XMLText.values(of: "StackStatus", in: text).first else { return nil }
        let names = XMLText.values(of: "OutputKey", in: text)
        let values = XMLText.values(of: "OutputValue", in: text)
        return Stack(status: status, outputs: zip(names, values).map { ($0, $1) })
    }

    /// Why resources failed, the latest first.
    package func failures(_ stack: String) throws(AWSError) -> [String] {
        let text = try call("DescribeStackEvents", stack, [("StackName", stack)])
        return XMLText.values(of: "member", in: text).filter { $0.contains("_FAILED") }
            .compactMap { event in
                let name = XMLText.values(of: "LogicalResourceId", in: event).first ?? "?"
                let why = XMLText.values(of: "ResourceStatusReason", in: event).first
                return why.map { "\(name): \($0)" }
            }
    }

    /// Begins to remove a stack and everything it made.
    package func delete(_ stack: String) throws(AWSError) {
        _ = try call("DeleteStack", stack, [("StackName", stack)])
    }

    /// Blocks until nothing is in progress; nil if the stack is gone.
    package func settled(
        _ stack: String, deadline: ContinuousClock.Instant, progress: (String) -> Void
    ) throws(AWSError) -> Stack? {
        var last = ""
        while true {
            guard let state = try describe(stack), state.status != "DELETE_COMPLETE" else {
                return nil
            }
            if state.status != last { progress(state.status) }
            last = state.status
            if state.isSettled { return state }
            guard ContinuousClock.now < deadline else {
                throw AWSError(
                    .timedOut, operation: "wait for stack \(stack)",
                    reason: "it is still \(state.status); run the command again to go on waiting")
            }
            usleep(500_000)
        }
    }

    private func call(
        _ action: String, _ stack: String, _ fields: [(String, String)]
    ) throws(AWSError) -> String {
        let all = [("Action", action), ("Version", Self.version)] + fields
        let text = all.map { "\($0.0)=\(uriEncoded($0.1))" }.joined(separator: "&")
        let body = Array(text.utf8)
        let response = try body.span.withUnsafeBytes { (body) throws(AWSError) in
            var request = HTTPRequest(
                "POST", endpoint, path: "/",
                headers: [("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
                body: body)
            signer.sign(&request)
            return try client.perform(request, deadline: .now + Self.requestTime)
        }
        let answer = String(decoding: response.body, as: UTF8.self)
        guard response.isSuccess else {
            throw AWSError(
                .refused, operation: "\(action) \(stack)",
                reason: XMLText.values(of: "Message", in: answer).first ?? "the server refused",
                status: response.status, name: XMLText.values(of: "Code", in: answer).first)
        }
        return answer
    }
}
