import Testing

@testable import ServerlessMPI

@Suite struct KeyTests {
    static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count, by: 2).map {
            (hexValue(digits[$0]) ?? 0) << 4 | (hexValue(digits[$0 + 1]) ?? 0)
        }
    }

    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let key: String
        let salt: String
        let info: String
        let output: String
        var testDescription: String { name }
    }

    /// RFC 5869, appendix A, the cases with SHA-256.
    static let vectors = [
        Vector(
            name: "A.1", key: String(repeating: "0b", count: 22),
            salt: "000102030405060708090a0b0c", info: "f0f1f2f3f4f5f6f7f8f9",
            output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                + "34007208d5b887185865"),
        Vector(
            name: "A.2", key: hexDigits(0x00...0x4f), salt: hexDigits(0x60...0xaf),
            info: hexDigits(0xb0...0xff),
            output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                + "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                + "cc30c58179ec3e87c14c01d5c1f3434f1d87"),
        Vector(
            name: "A.3", key: String(repeating: "0b", count: 22), salt: "", info: "",
            output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                + "9d201395faa4b61a96c8"),
    ]

    @Test(arguments: vectors)
    func `HKDF gives the outputs of RFC 5869`(_ vector: Vector) {
        let output = Self.bytes(vector.output)
        let derived = KeyDerivation.hkdf(
            Secret(Self.bytes(vector.key)), salt: Self.bytes(vector.salt),
            info: Self.bytes(vector.info), byteCount: output.count)
        #expect(derived.hex == vector.output)
    }

    @Test func `HMAC gives the output of RFC 4231, case 2`() {
        let mac = KeyDerivation.authenticate(
            Array("what do ya want for nothing?".utf8), with: Secret(Array("Jefe".utf8)))
        #expect(
            hexDigits(mac)
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }

    @Test func `pair keys differ by secret, job, epoch, pair and encryption mode`() {
        let secret = Secret([UInt8](repeating: 3, count: 32))
        func key(
            _ secret: Secret, job: String = "job", epoch: UInt64 = 0, low: Int = 0, high: Int = 1,
            _ mode: EncryptionMode = .on
        ) -> [String] {
            let keys = PairKeys(
                peerSecret: secret, job: job, epoch: epoch, low: low, high: high, encryption: mode)
            return [keys.hello.hex, keys.tls.hex, keys.proof.hex]
        }
        let all = [
            key(secret), key(.random()), key(secret, job: "job2"), key(secret, epoch: 1),
            key(secret, high: 2), key(secret, low: 1, high: 2), key(secret, .none),
        ].flatMap(\.self)
        #expect(Set(all).count == all.count)
        #expect(key(secret) == key(secret))
    }

    @Test func `an identity names one job, and anything else names none`() {
        let good = ServerKeys.identity(job: "job-1.a_B")
        #expect(good.withUnsafeBufferPointer { ServerKeys.job(identity: $0) } == "job-1.a_B")
        let bad = [
            [], Array("smpi1/".utf8), Array("smpi2/job".utf8), good + [0], good + [0xff],
            Array("smpi1/".utf8) + [UInt8](repeating: 0x61, count: 65),
        ]
        for identity in bad {
            #expect(identity.withUnsafeBufferPointer { ServerKeys.job(identity: $0) } == nil)
        }
    }
}
