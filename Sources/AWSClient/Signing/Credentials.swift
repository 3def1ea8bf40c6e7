// Who signs: read from the environment variables that AWS Lambda and every AWS tool set.

import Glibc

/// An access key, its secret, and the session token of temporary ones. Never shows its secrets.
package struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    package let accessKeyID: String
    let secretAccessKey: String
    package let sessionToken: String?

    package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
    }

    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
    ///
    /// Errors: `credentialsMissing`, naming the variable.
    package static func fromEnvironment() throws(AWSError) -> Credentials {
        try from { name in getenv(name).map { String(cString: $0) } }
    }

    /// The same, from any lookup.
    package static func from(_ lookup: (String) -> String?) throws(AWSError) -> Credentials {
        func value(_ name: String) throws(AWSError) -> String {
            guard let text = lookup(name), !text.isEmpty else {
                throw AWSError(
                    .credentialsMissing, operation: "credentials",
                    reason: "\(name) is not set; AWS Lambda sets it by the function's role, "
                        + "elsewhere export it (any value does for a local server)")
            }
            return text
        }
        let token = lookup("AWS_SESSION_TOKEN")
        return Credentials(
            accessKeyID: try value("AWS_ACCESS_KEY_ID"),
            secretAccessKey: try value("AWS_SECRET_ACCESS_KEY"),
            sessionToken: token?.isEmpty == false ? token : nil)
    }

    package var description: String { "Credentials(\(accessKeyID), secrets not shown)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
