#!/usr/bin/env bash
# nft 1.0.6 (Debian 12): `nft -i` that reads its commands from a pipe takes them for what somebody has typed: it reads ~/.nft.history when it starts and
# writes it, with all commands it was given, when it ends. A program that keeps one for its transactions grows that file, and pays for it at each start. Without a
# home to write to it does not. Needs nftables.
set -euo pipefail
command -v nft >/dev/null || { echo "skipped: needs nftables"; exit 0; }
nft --version
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
seq 500 | sed 's/^/describe word/' | HOME=$home nft -i >/dev/null
echo "lines of history of 500 commands from a pipe: $(wc -l <"$home/.nft.history")"
grep -q describe "$home/.nft.history"
