// `mpi-compare tune`, and the fit behind it.

import Foundation
import MessagePassing
import ServerlessMPI
import Testing

@testable import Report

@Suite struct TuneTests {
    private static let direct = ChannelCosts.aws[0]

    private static func samples(
        latency: Double, bandwidth: Double, noise: Double = 0
    ) -> [CostSample] {
        [1, 256, 4096, 65_536, 1 << 20, 4 << 20].enumerated().map { index, bytes in
            let exact = latency + Double(bytes) / bandwidth
            return CostSample(
                operation: .send, ranks: 2, byteCount: bytes,
                seconds: exact * (index.isMultiple(of: 2) ? 1 + noise : 1 - noise))
        }
    }

    @Test(arguments: [(5e-6, 1e9), (3.4e-4, 4e8), (1e-3, 1e6)])
    func `a channel's own parameters come out of its times`(latency: Double, bandwidth: Double)
        throws
    {
        let exact = try #require(
            Self.direct.fitted(
                to: Self.samples(latency: latency, bandwidth: bandwidth), origin: "test"))
        #expect(abs(exact.latencySeconds / latency - 1) < 1e-6)
        #expect(abs(exact.bytesPerSecond / bandwidth - 1) < 1e-6)
        #expect(exact.origin == "test")
        let noisy = try #require(
            Self.direct.fitted(
                to: Self.samples(latency: latency, bandwidth: bandwidth, noise: 0.1), origin: ""))
        #expect(abs(noisy.latencySeconds / latency - 1) < 0.15)
        #expect(abs(noisy.bytesPerSecond / bandwidth - 1) < 0.15)
    }

    @Test func `a store's latency is that of one request`() throws {
        let redis = try #require(ChannelCosts.aws.first { $0.channel == .redis })
        // A write and a read.
        let samples = Self.samples(latency: 2 * 1e-4, bandwidth: 1e9 / 2)
        let costs = try #require(redis.fitted(to: samples, origin: ""))
        #expect(abs(costs.latencySeconds - 1e-4) < 1e-9)
        #expect(abs(costs.bytesPerSecond / 1e9 - 1) < 1e-6)
    }

    @Test func `what cannot be fitted is not, and noise makes nothing negative`() throws {
        #expect(Self.direct.fitted(to: [], origin: "") == nil)
        let same = Array(repeating: Self.samples(latency: 1, bandwidth: 1)[0], count: 4)
        #expect(Self.direct.fitted(to: same, origin: "") == nil)
        let falling = [1, 1000].map { bytes in
            CostSample(
                operation: .send, ranks: 2, byteCount: bytes, seconds: 1 / Double(bytes + 1))
        }
        let costs = try #require(Self.direct.fitted(to: falling, origin: ""))
        #expect(costs.latencySeconds >= 0 && costs.bytesPerSecond > 0)
    }

    @Test func `a model file gives back what was written, and nothing else is one`() throws {
        let costs = try #require(
            Self.direct.fitted(to: Self.samples(latency: 1e-5, bandwidth: 1e9), origin: "here"))
        let model = CostModelFile(channels: [costs], combinedBytesPerSecond: 5e9)
        #expect(CostModelFile(parsing: "\(model.json)") == model)
        let text = "\(model.json)"
        for (part, other) in [
            ("cost-model", "run"), ("\"direct\"", "\"pigeon\""), ("latency_seconds", "latency"),
            ("[{", "[{},{"),
        ] {
            #expect(CostModelFile(parsing: text.replacing(part, with: other)) == nil, "\(part)")
        }
        #expect(CostModelFile(parsing: "") == nil)
    }
}

extension ProcessTests {
    @Suite("Tuning")
    struct TuneCommandTests {
        @Test("messages are measured, collectives predicted, and explain uses the model")
        func tunes() throws {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("tune-\(UUID().uuidString).json").path
            defer { try? FileManager.default.removeItem(atPath: file) }
            let tool = try Tool([
                "tune", "--environments", "serverless", "--ranks", "3", "--repetitions", "2",
                "--milliseconds", "1", "--output", file,
            ])
            #expect(try tool.wait() == 0, "\(tool.errorOutput)")
            #expect(tool.output.contains("direct: latency "), "\(tool.output)")
            #expect(tool.output.contains("typically wrong by a factor of"), "\(tool.output)")
            #expect(tool.output.contains("alltoallv"), "\(tool.output)")
            let explained = try Tool([
                "explain", "alltoallv", "--ranks", "3", "--model", file, "--policy", "fastest",
            ])
            #expect(try explained.wait() == 0, "\(explained.errorOutput)")
            #expect(
                explained.output.contains("[measured: serverless, 2 ranks]"),
                "\(explained.output)")
        }

        @Test(
            "an option that makes no sense is refused in one line",
            arguments: [
                (["tune", "--environments", "serverless,serverless-tls"], "both channel direct"),
                (["tune", "--environments", "lambda"], "--environments lambda"),
                (["tune", "--repetitions", "0"], "--repetitions 0"),
                (["explain", "send", "--model", "/dev/null"], "--model /dev/null"),
            ])
        func refused(_ arguments: [String], _ complaint: String) throws {
            let tool = try Tool(arguments)
            #expect(try tool.wait() == 2)
            #expect(tool.errorOutput.contains(complaint), "\(tool.errorOutput)")
            #expect(tool.errorOutput.split(separator: "\n").count == 1)
        }
    }
}
