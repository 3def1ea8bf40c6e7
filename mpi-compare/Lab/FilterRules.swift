// The nftables rules that make a namespace a NAT router or a firewall.

enum FilterRules {
    /// A router between `wan` and `lan`.
    ///
    /// Its own address answers nobody, whichever side asks: no service, and no hairpin. Simultaneous
    /// opens pass, as the tracker knows the connection from the inside's own SYN.
    static func router(_ behaviour: NATBehaviour) -> String {
        let random = behaviour.mapping == .perConnection ? " fully-random" : ""
        let refuse = behaviour.unsolicited == .reset ? "reject with tcp reset" : "drop"
        return """
            table inet nat {
              chain translate {
                type nat hook postrouting priority 100; policy accept;
                oifname "wan" meta nfproto ipv4 masquerade\(random)
              }
              chain arriving {
                type filter hook input priority 0; policy accept;
                meta l4proto tcp ct state new \(refuse)
              }
              chain forwarded {
                type filter hook forward priority 0; policy accept;
                iifname "wan" meta l4proto tcp ct state new \(refuse)
                iifname "wan" meta l4proto != ipv6-icmp ct state new drop
              }
            }

            """
    }

    static let firewall = """
        table inet firewall {
          chain arriving {
            type filter hook input priority 0; policy accept;
            iifname "wan" ct state new drop
          }
        }

        """

    /// Every port leads to the one on which the impostor listens.
    static func impostor(port: UInt16) -> String {
        """
        table inet impostor {
          chain arriving {
            type nat hook prerouting priority -100; policy accept;
            meta l4proto tcp redirect to :\(port)
          }
        }

        """
    }
}
