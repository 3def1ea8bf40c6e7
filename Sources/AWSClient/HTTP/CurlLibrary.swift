// libcurl, loaded when the first request is made: most ranks never make one, and start faster and
// need less without it.

import CCurl
import Glibc
import Synchronization

/// The functions of libcurl that are used here.
struct CurlLibrary: Sendable {
    typealias Handle = UnsafeMutableRawPointer

    let easyInit: @convention(c) @Sendable () -> Handle?
    let easyReset: @convention(c) @Sendable (Handle) -> Void
    let easyCleanup: @convention(c) @Sendable (Handle) -> Void
    let easyPerform: @convention(c) @Sendable (Handle) -> Int32
    let easyStrerror: @convention(c) @Sendable (Int32) -> UnsafePointer<CChar>?
    let listAppend: @convention(c) @Sendable (Handle?, UnsafePointer<CChar>) -> Handle?
    let listFree: @convention(c) @Sendable (Handle?) -> Void
    private let setoptAddress: UInt
    private let getinfoAddress: UInt

    var setopt: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: setoptAddress) }
    var getinfo: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: getinfoAddress) }

    /// Loaded once; the error stays, too.
    static func loaded() throws(AWSError) -> CurlLibrary { try library.get() }

    private static let library = Result<CurlLibrary, AWSError> { () throws(AWSError) in
        try CurlLibrary()
    }

    private static let names = ["libcurl.so.4", "libcurl-gnutls.so.4"]

    private init() throws(AWSError) {
        var opened: UnsafeMutableRawPointer?
        for name in Self.names where opened == nil { opened = dlopen(name, RTLD_NOW | RTLD_LOCAL) }
        guard let library = opened else {
            let why = dlerror().map { String(cString: $0) } ?? "not found"
            throw AWSError(
                .libraryMissing, operation: "load libcurl",
                reason: "\(why); install it (Debian: libcurl4) or package it beside the program")
        }
        func symbol<Function>(_ name: String, _: Function.Type) throws(AWSError) -> Function {
            guard let address = dlsym(library, name) else {
                throw AWSError(
                    .libraryMissing, operation: "load libcurl",
                    reason: "it has no \(name); version 7.62 or later is needed")
            }
            return unsafeBitCast(address, to: Function.self)
        }
        let globalInit = try symbol(
            "curl_global_init", (@convention(c) (Int) -> Int32).self)
        guard globalInit(Int(ccurl_global_default)) == 0 else {
            throw AWSError(
                .libraryMissing, operation: "load libcurl", reason: "curl_global_init failed")
        }
        easyInit = try symbol(
            "curl_easy_init", (@convention(c) @Sendable () -> Handle?).self)
        easyReset = try symbol("curl_easy_reset", (@convention(c) @Sendable (Handle) -> Void).self)
        easyCleanup = try symbol(
            "curl_easy_cleanup", (@convention(c) @Sendable (Handle) -> Void).self)
        easyPerform = try symbol(
            "curl_easy_perform", (@convention(c) @Sendable (Handle) -> Int32).self)
        easyStrerror = try symbol(
            "curl_easy_strerror",
            (@convention(c) @Sendable (Int32) -> UnsafePointer<CChar>?).self)
        listAppend = try symbol(
            "curl_slist_append",
            (@convention(c) @Sendable (Handle?, UnsafePointer<CChar>) -> Handle?).self)
        listFree = try symbol(
            "curl_slist_free_all", (@convention(c) @Sendable (Handle?) -> Void).self)
        setoptAddress = UInt(
            bitPattern: try symbol("curl_easy_setopt", UnsafeMutableRawPointer.self))
        getinfoAddress = UInt(
            bitPattern: try symbol("curl_easy_getinfo", UnsafeMutableRawPointer.self))
    }
}

/// The certificate authorities to trust. libcurl was built for one distribution's file; a packaged
/// copy runs on another.
enum TrustStore {
    private static let files = [
        "/etc/ssl/certs/ca-certificates.crt",  // Debian, Ubuntu
        "/etc/pki/tls/certs/ca-bundle.crt",  // Amazon Linux, Fedora
        "/etc/ssl/cert.pem",  // Alpine
    ]

    /// `AWS_CA_BUNDLE` if it is set, else the first file there is.
    static let file: String? = {
        if let path = getenv("AWS_CA_BUNDLE").map({ String(cString: $0) }), !path.isEmpty {
            return path
        }
        return files.first { access($0, R_OK) == 0 }
    }()
}
