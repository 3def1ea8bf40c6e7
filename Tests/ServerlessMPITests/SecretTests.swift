import Testing

@testable import ServerlessMPI

@Suite struct SecretTests {
    @Test func `hexadecimal digits go in and come out`() {
        let hex = String(repeating: "0123456789abcdef", count: 4)
        #expect(Secret(hex: hex)?.hex == hex)
        #expect(Secret(hex: hex.uppercased())?.hex == hex)
    }

    @Test(arguments: [
        "", "00", String(repeating: "g", count: 64), String(repeating: "0", count: 66),
    ])
    func `anything but 64 hexadecimal digits is refused`(text: String) {
        #expect(Secret(hex: text) == nil)
    }

    @Test func `a secret does not print itself`() {
        let secret = Secret.random()
        #expect(!"\(secret)".contains(secret.hex))
        #expect(!String(reflecting: secret).contains(secret.hex))
    }
}
