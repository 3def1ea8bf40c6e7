// `mpi-compare explain`, and what a run through a store is said to cost.

import MessagePassing
import Testing

@testable import Report

@Suite struct ExplainTests {
    @Test func `the choice and its reason are shown for both policies`() throws {
        let tool = try Tool(["explain", "allreduce", "--bytes", "1MiB", "--ranks", "8"])
        #expect(try tool.wait() == 0)
        for policy in CostPolicy.allCases {
            #expect(
                tool.output.contains("allreduce of 1 MiB among 8 ranks, \(policy.rawValue): direct")
            )
        }
        #expect(tool.output.contains("(modelled)") && tool.output.contains("AWS default"))
    }

    @Test func `what was measured replaces the defaults, and is said to be given`() throws {
        let tool = try Tool([
            "explain", "send", "--bytes", "0", "--channels", "redis,s3", "--latency", "s3=0.00001",
            "--policy", "fastest",
        ])
        #expect(try tool.wait() == 0)
        #expect(tool.output.contains("[as given]") && !tool.output.contains("direct"))
    }

    @Test(arguments: [
        (["explain", "shout"], "shout"), (["explain", "send", "--bytes", "1XB"], "--bytes 1XB"),
        (["explain", "send", "--bytes", "9999999GiB"], "--bytes"),
        (["explain", "send", "--ranks", "0"], "--ranks 0"),
        (["explain", "send", "--policy", "best"], "--policy best"),
        (["explain", "send", "--channels", "pigeon"], "--channels pigeon"),
        (["explain", "send", "--latency", "redis"], "--latency redis"),
        (
            ["launch", "--environment", "threads", "--store", "redis://h:1", "--", "true"],
            "--store"
        ),
        (["launch", "--environment", "redis", "--store", "ftp://h", "--", "true"], "--store ftp"),
        (["launch", "--environment", "s3", "--store", "redis://h:1", "--", "true"], "--store"),
        (["launch", "--channels", "fastest:tcp", "--", "true"], "--channels"),
        (
            ["launch", "--environment", "threads", "--channels", "fastest:s3", "--", "true"],
            "--channels needs environment"
        ),
    ])
    func `a wrong option is named in one line`(arguments: [String], words: String) throws {
        let tool = try Tool(arguments)
        #expect(try tool.wait() == 2)
        #expect(tool.errorOutput.contains(words), "\(tool.errorOutput)")
        #expect(tool.errorOutput.split(separator: "\n").count == 1)
    }

    @Test func `a run through a store pays for functions, requests and server`() {
        let functions = Price(environment: "serverless", ranks: 2, seconds: 10)
        let s3 = Price(
            environment: "s3", ranks: 2, seconds: 10, storeWrites: 1000, storeReads: 10_000)
        let redis = Price(environment: "redis", ranks: 2, seconds: 10, storeWrites: 1000)
        #expect(abs(s3.dollars - functions.dollars - (1000 * 5.4e-6 + 10_000 * 4.3e-7)) < 1e-12)
        #expect(abs(redis.dollars - functions.dollars - 10 * 0.149 / 3600) < 1e-12)
        #expect(s3.model.contains("requests") && redis.model.contains("Redis server"))
    }
}
