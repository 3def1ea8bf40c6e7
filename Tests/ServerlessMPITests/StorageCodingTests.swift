// What a store's users write and what its bytes mean: join URLs and frames. Pure.

import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite struct StorageURLTests {
    @Test(arguments: [
        "redis://127.0.0.1:6379/job?size=4",
        "redis://[::1]:6379/a.b-c_d?size=1&epoch=7&expiry=60",
        "redis://cache.example:7000/j?size=4096&timeout=1.5&join-timeout=2",
        "s3://bucket/job?size=2",
        "s3://my.bucket-1/some/folder/job?size=2&region=eu-central-1",
        "s3://bucket/f/job?size=2&endpoint=http://127.0.0.1:9000&epoch=3",
    ])
    func `a URL reads back as it was`(text: String) throws {
        let url = try StorageURL(parsing: text)
        #expect(try StorageURL(parsing: url.description) == url)
    }

    @Test func `the parts are where they belong`() throws {
        let url = try StorageURL(parsing: "s3://bucket/a/b/job?size=2&region=r1&endpoint=http://h")
        #expect(
            url.place
                == .s3(bucket: "bucket", folder: "a/b/", region: "r1", endpoint: "http://h"))
        #expect(url.job == "job" && url.size == 2 && url.expiry == .seconds(3600))
    }

    @Test(arguments: [
        ("http://h/j?size=1", "must begin with"),
        ("redis://h:1/j", "size=N"),
        ("redis://h:1/j?size=0", "size must be"),
        ("redis://h:1/j?size=99999", "size must be"),
        ("redis://h/j?size=1", "HOST:PORT"),
        ("redis://h:1/folder/j?size=1", "redis://HOST:PORT/JOB"),
        ("redis://h:1/j?size=1&region=x", "belongs to an s3 URL"),
        ("redis://h:1/j j?size=1", "the job must be"),
        ("redis://h:1", "the job is missing"),
        ("s3://B/j?size=1", "bucket's name"),
        ("s3://ab/j?size=1", "bucket's name"),
        ("s3://bucket/j?size=1&endpoint=", "may not be empty"),
        ("s3://bucket/j?size=1&colour=red", "unknown setting colour"),
        ("s3://bucket/j?size=1&expiry=-1", "expiry must be"),
    ])
    func `what is wrong is named`(text: String, words: String) {
        let error = #expect(throws: MPIError.self) { try StorageURL(parsing: text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains(words) == true, "\(error!)")
    }
}

@Suite struct StoredFrameTests {
    private var frame: StoredFrame {
        var frame = StoredFrame()
        frame.place = .shared
        frame.sender = 4095
        frame.contextID = .max
        frame.source = 17
        frame.tag = .upperBound
        frame.call = 0x0123_4567_89AB_CDEF
        frame.payloadByteCount = 5 << 30
        frame.number = 1 << 60
        return frame
    }

    @Test func `a frame reads back as it was, from bytes and from digits`() throws {
        let bytes = frame.encoded()
        #expect(bytes.count == StoredFrame.byteCount)
        #expect(try StoredFrame(decoding: bytes[...]) == frame)
        #expect(try StoredFrame(hex: frame.hex) == frame)
    }

    @Test func `a damaged frame is refused or another frame, never a trap`() {
        let bytes = frame.encoded()
        for count in 0..<bytes.count {
            #expect(throws: MalformedMessage.self) { try StoredFrame(decoding: bytes[..<count]) }
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var other = bytes
            other[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255)
            if let read = try? StoredFrame(decoding: other[...]) {
                #expect((0...StoredFrame.payloadByteCountMax).contains(read.payloadByteCount))
            }
        }
        #expect(throws: MalformedMessage.self) {
            try StoredFrame(hex: "zz" + frame.hex.dropFirst(2))
        }
        #expect(throws: MalformedMessage.self) { try StoredFrame(hex: "") }
    }

    @Test func `a length beyond all bounds is refused`() {
        var bytes = frame.encoded()
        for index in 32..<40 { bytes[index] = 0xFF }
        #expect(throws: MalformedMessage.self) { try StoredFrame(decoding: bytes[...]) }
    }
}
