// Where secrets must not be: the server's log at its most talkative, error texts, command lines.

import Glibc
import MessagePassing

@testable import ServerlessMPI

extension HostileCase {
    /// Every form in which a secret could be written.
    private static func forms(_ secret: Secret) -> [String] {
        let bytes = secret.withBytes { Array($0) }
        return [secret.hex, secret.hex.uppercased(), "\(bytes)", "\(bytes.dropFirst().dropLast())"]
    }

    static let secretCases: [HostileCase] = [
        HostileCase("secrets and tickets in the server's log", .nobody) { world in
            // Attacks that the server has something to say about.
            for rank in [0, 1] {
                let raw = try RawMember(world, job: "victim")
                var request = world.joinRequest(rank: rank)
                request.ticket = HostileTests.noise(UInt64(rank), 32)
                raw.send(.join(request))
                raw.run { $0.refusal != nil }
            }
            let raw = try RawMember(world)
            raw.send([0x77])
            raw.run { _ in false }
            _ = try LyingJob.run(world, job: "lie", patience: 100) { LyingJob.write([9, 9], $0) }
            let tokens = world.world.tokens
            let keys = ServerKeys(operatorSecret: JoinWorld.operatorSecret, job: "victim")
            let secrets = [
                tokens.serverKey, tokens.peerSecret, JoinWorld.operatorSecret, keys.ticketKey,
                Secret(HostileTests.noise(0, 32)), Secret(HostileTests.noise(1, 32)),
            ]
            let text = world.log.text
            guard text.contains("victim"), text.contains("malformed") else {
                throw HostileWorld.Unrefused("the log is empty: \(text)")
            }
            for form in secrets.flatMap(forms) where text.contains(form) {
                throw HostileWorld.Unrefused("a secret is in the log")
            }
            return "none in \(text.split(separator: "\n").count) lines of every level"
        },
        HostileCase("secrets in error texts and descriptions", .nobody) { world in
            let tokens = world.world.tokens
            let secrets = [tokens.serverKey, tokens.peerSecret]
            var texts: [String] = []
            // A rank whose key is wrong, one whose peer secret is, and all that prints itself.
            var wrong = world.world.configuration(0)
            wrong.serverKey = tokens.peerSecret
            texts.append("\(JoinWorld.joinAndConnect(wrong).error as Any)")
            let cause = try LyingJob.run(world, job: "lie", patience: 100) {
                LyingJob.write([1, 2, 3], $0)
            }
            texts.append("\(cause)")
            texts.append("\(wrong)")
            texts.append(String(reflecting: wrong))
            var dumped = ""
            dump(wrong, to: &dumped)
            texts.append(dumped)
            for variable in [
                JoinConfiguration.Variable.serverKey, JoinConfiguration.Variable.peerSecret,
            ] {
                do throws(MPIError) {
                    _ = try JoinConfiguration.from { name in
                        switch name {
                        case JoinConfiguration.Variable.url: world.world.url.description
                        case variable: tokens.serverKey.hex + "0"
                        case JoinConfiguration.Variable.serverKey,
                            JoinConfiguration.Variable.peerSecret:
                            tokens.serverKey.hex
                        default: nil
                        }
                    }
                } catch {
                    texts.append("\(error)")
                }
            }
            guard texts.count == 7 else { throw HostileWorld.Unrefused("\(texts)") }
            for form in secrets.flatMap(forms) {
                for text in texts where text.contains(form) {
                    throw HostileWorld.Unrefused("a secret is in \(text)")
                }
            }
            return "none in \(texts.count) texts"
        },
        HostileCase("secrets on command lines", .nobody) { world in
            let tokens = world.world.tokens
            var count = 0
            guard let folder = opendir("/proc") else { throw HostileWorld.Unrefused("no /proc") }
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard Int(name) != nil else { continue }
                count += 1
                let line = FileText.read("/proc/\(name)/cmdline")
                for form in [tokens.serverKey, tokens.peerSecret, JoinWorld.operatorSecret]
                    .flatMap(forms) where line.contains(form)
                {
                    throw HostileWorld.Unrefused("a secret is in \(line)")
                }
            }
            return "none on \(count) command lines"
        },
    ]
}
