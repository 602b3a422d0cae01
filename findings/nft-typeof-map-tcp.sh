#!/usr/bin/env bash
# nft 1.0.6 (Debian 12): a rule that translates addresses by a map whose value is `typeof ip daddr . tcp dport`, with `meta l4proto . th dport` in its
# key, gets a silent `meta l4proto tcp`: its UDP is never translated. A map whose value is `ip daddr . th dport` is taken when it is made, and every
# rule that uses it afterwards is refused ("conflicting protocols"). With `type … : ipv4_addr . inet_service` both work. Needs root and nftables.
set -euo pipefail
if [ "$(id -u)" != 0 ] || ! command -v nft >/dev/null; then
  echo "skipped: needs root and nftables"
  exit 0
fi
nft --version
ask() { # declaration of the map
  unshare --net -- bash -c '
    printf "table inet t {\nmap m { %s; }\nchain c {\n}\n}\n" "$1" | nft -f -
    nft --debug=netlink add rule inet t c dnat ip to ip daddr . meta l4proto . th dport . meta mark map @m 2>&1 || true' bash "$1"
}
byType=$(ask 'type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service')
byTcp=$(ask 'typeof ip daddr . meta l4proto . th dport . meta mark : ip daddr . tcp dport')
byTh=$(ask 'typeof ip daddr . meta l4proto . th dport . meta mark : ip daddr . th dport')
onlyTcp='cmp eq reg 1 0x00000006'
echo "type:               $(grep -c "$onlyTcp" <<<"$byType" || true) comparisons with TCP"
echo "typeof … tcp dport: $(grep -c "$onlyTcp" <<<"$byTcp" || true) comparisons with TCP"
echo "typeof … th dport:  $(grep -o 'conflicting protocols.*' <<<"$byTh" | head -1)"
! grep -q "$onlyTcp" <<<"$byType" && grep -q "$onlyTcp" <<<"$byTcp" && grep -q 'conflicting protocols' <<<"$byTh"
