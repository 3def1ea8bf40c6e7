// What `mpi-compare probe` says: findings in plain words with the field's terms, for a terminal or
// as one JSON object.
import CompactJSON
import MessagePassing
import Records
import ServerlessMPI

/// What was found out, and what it was found out with.
public struct ProbeReport: Sendable {
    public var server: String
    public var findings: NetworkProbe.Findings
    /// Was the server's observer port given? Without it kinds of NAT cannot be told apart.
    public var hasObserver: Bool
    public var descriptorsMax: Int

    public init(
        server: String, findings: NetworkProbe.Findings, hasObserver: Bool, descriptorsMax: Int
    ) {
        self.server = server
        self.findings = findings
        self.hasObserver = hasObserver
        self.descriptorsMax = descriptorsMax
    }

    private var attachment: NetworkAttachment { findings.attachment }

    public var relayWorks: Bool { if case .success = findings.relay { true } else { false } }

    /// Every place a peer can be at, with the path to it.
    public var outlooks: [(place: PeerPlace, outlook: PathOutlook)] {
        PeerPlace.allCases.compactMap { place in
            PathOutlook.toPeer(at: place, from: attachment.natClass, hairpins: findings.hairpins)
                .map { (place, $0) }
        }
    }
}

// MARK: Words

extension ProbeReport {
    /// For people.
    public var lines: [String] {
        let facts = [
            ("rendezvous server", "\(attachment.serverAddress), \(time(attachment.roundTripTime))"),
            ("own addresses", list(attachment.hostAddresses)),
            ("seen by the server", attachment.observedAddress),
            ("NAT", nat),
            ("IPv6", ipv6),
            ("hairpinning", hairpinning),
            ("relay", relay),
            ("TURN", turn),
            ("descriptors", descriptors),
            ("idle links", idleLinks),
        ]
        let width = facts.map(\.0.count).max() ?? 0
        var table = TextTable([("a rank here reaches a rank with", .left), ("by", .left)])
        for (place, outlook) in outlooks { table.add([place.rawValue, path(outlook)]) }
        let indentation = String(repeating: " ", count: width + 2)
        let text = facts.filter { !$0.1.isEmpty }.flatMap { name, words in
            wrapped(words, to: 96 - indentation.count).enumerated().map { number, line in
                (number > 0 ? indentation : name + indentation.dropFirst(name.count)) + line
            }
        }
        return text + [""] + table.lines() + notes
    }

    private var nat: String {
        switch attachment.natClass {
        case .open where attachment.observedScope == .loopback:
            "none to a server on this machine: probe a server out there, or probe from out there"
        case .open where attachment.observedScope == .local:
            "none to the server (open), but both are in one private network: what lies between "
                + "it and the rest of the world only a server out there can tell"
        case .open:
            "none: the server sees one of this machine's own addresses (open); whether a firewall "
                + "guards it is unknown"
        case .cone:
            "cone: one public port for one local port, whoever is spoken to "
                + "(endpoint-independent mapping, as far as two ports of one server can tell)"
        case .symmetric:
            "symmetric: another public port for every connection "
                + "(address- and port-dependent mapping)"
        case .unknown where hasObserver:
            "there is one, of unknown kind: the observer port did not see this machine; is it "
                + "the one that `rendezvous serve` printed, and open in its firewall?"
        case .unknown:
            "there is one, of unknown kind: give --observer PORT, as `rendezvous serve` prints it"
        }
    }

    private var ipv6: String {
        attachment.hasGlobalIPv6 ? "yes, a global address" : "no global address"
    }

    private var hairpinning: String {
        switch findings.hairpins {
        case true?: "yes: two ranks behind this NAT reach each other by their public addresses"
        case false?: "no: the NAT does not lead back inside by its public address"
        case nil: attachment.natClass == .open ? "" : "unknown"
        }
    }

    private var relay: String {
        switch findings.relay {
        case .success(let relay):
            "works: \(time(relay.roundTripTime)) from rank to rank, "
                + "\(fixed(relay.bytesPerSecond / 1e6, 1)) MB/s"
        case .failure(let cause): "does not work: \(flat(cause.description))"
        }
    }

    private var turn: String {
        switch attachment.turn {
        case .address(let address)?: "works: relayed address \(address)"
        case .failed(let cause)?: "does not work: \(flat(cause))"
        case nil: "not configured (\(JoinConfiguration.Variable.turnURL))"
        }
    }

    private var descriptors: String {
        "at most \(descriptorsMax) (every link takes one): "
            + (descriptorsMax > JoinURL.defaultMesh
                ? "enough for a full mesh of \(JoinURL.defaultMesh) ranks, the default"
                : "put mesh=\(max(0, descriptorsMax / 2)) or less into the join URL")
    }

    private var idleLinks: String {
        let what = attachment.natClass == .open ? "a firewall" : "the NAT"
        let seconds = JoinURL.defaultKeepAlive.components.seconds
        return "kept known by a sign of life every \(seconds) s; if \(what) forgets sooner, put "
            + "keepalive=SECONDS into the join URL"
    }

    private var notes: [String] {
        var notes: [String] = []
        if attachment.hasGlobalIPv6 {
            notes.append("Where the other rank has IPv6 as well: direct, whatever the NATs.")
        }
        if !relayWorks {
            notes.append("Where it says relay, ranks need a TURN server, as the relay fails here.")
        }
        return notes
    }

    private func path(_ outlook: PathOutlook) -> String {
        guard case .relayed = outlook, !relayWorks else { return outlook.words }
        if case .address? = attachment.turn { return "relay (TURN)" }
        return "nothing: it needs a relay"
    }

    private func list(_ names: [String]) -> String {
        names.isEmpty ? "loopback only" : names.joined(separator: ", ")
    }

    private func time(_ duration: Duration) -> String {
        "\(fixed(milliseconds(duration), 2)) ms"
    }

    /// What came from outside stays on its line.
    private func flat(_ text: String) -> String { String(text.map { $0.isNewline ? " " : $0 }) }
}

/// Lines of whole words; a word that is longer than `width` has one of its own.
func wrapped(_ words: String, to width: Int) -> [String] {
    var lines: [String] = []
    for word in words.split(separator: " ") {
        if let last = lines.last, last.count + 1 + word.count <= width {
            lines[lines.count - 1] = last + " " + word
        } else {
            lines.append(String(word))
        }
    }
    return lines
}

private func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

// MARK: JSON

extension ProbeReport {
    /// For programs.
    public var json: JSONValue {
        var fields = [
            JSONField("server", .string(server)),
            JSONField("server_address", .string(attachment.serverAddress)),
            JSONField("server_rtt_ms", .number(milliseconds(attachment.roundTripTime))),
            JSONField("local_address", .string(attachment.localAddress)),
            JSONField("host_addresses", .array(attachment.hostAddresses.map { .string($0) })),
            JSONField("observed_address", .string(attachment.observedAddress)),
            JSONField("nat", .string(attachment.natClass.description)),
            JSONField("global_ipv6", .bool(attachment.hasGlobalIPv6)),
            JSONField("hairpins", findings.hairpins.map { .bool($0) } ?? .null),
            JSONField("relay", .bool(relayWorks)),
        ]
        switch findings.relay {
        case .success(let relay):
            fields.append(JSONField("relay_rtt_ms", .number(milliseconds(relay.roundTripTime))))
            fields.append(JSONField("relay_mb_per_s", .number(relay.bytesPerSecond / 1e6)))
        case .failure(let cause):
            fields.append(JSONField("relay_cause", .string(cause.description)))
        }
        switch attachment.turn {
        case .address(let address)?:
            fields.append(JSONField("turn", .bool(true)))
            fields.append(JSONField("turn_address", .string(address)))
        case .failed(let cause)?:
            fields.append(JSONField("turn", .bool(false)))
            fields.append(JSONField("turn_cause", .string(cause)))
        case nil: fields.append(JSONField("turn", .null))
        }
        fields.append(JSONField("descriptors_max", .integer(descriptorsMax)))
        let paths = outlooks.map { JSONField("\($0.place)", .string($0.outlook.name)) }
        fields.append(JSONField("paths", .object(paths)))
        return .object(fields)
    }
}
