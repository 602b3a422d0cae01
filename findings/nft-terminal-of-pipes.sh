#!/usr/bin/env bash
# nft 1.0.6 (Debian 12): `nft -i` that reads its commands from a pipe asks the database of terminals all the same. Where that has not got $TERM, or is not there, as in small
# images of containers, it complains on standard error before it does its first command, which it then does. A program that takes what is said before an answer for a refusal
# believes that transaction refused. Needs nftables.
set -euo pipefail
command -v nft >/dev/null || { echo "skipped: needs nftables"; exit 0; }
nft --version
said=$(echo 'describe word' | HOME=/dev/null TERM=no-such-terminal nft -i 2>&1 >/dev/null)
echo "of a terminal that there is not: $said"
grep -q 'No entry for terminal type' <<<"$said"
