#!/usr/bin/env bash
# `ip -j addr show scope global` of iproute2 6.1.0 leaves an empty object in `addr_info` for each address that the filter took out after the first that it let
# in: whoever reads `.addr_info[].local` gets undefined addresses of every link that has a link-local one. Needs Debian's iproute2 and user namespaces (or root).
set -euo pipefail
unshare --map-root-user --net bash -euo pipefail -c '
  ip link add pod0 type veth peer name pod1
  ip addr add fd00::1/64 dev pod0 nodad
  ip addr add fe80::1/64 dev pod0 nodad
  ip addr add fd00::2/64 dev pod0 nodad
  ip -V | cut -d, -f1-2
  ip -j -6 addr show dev pod0 scope global | python3 -c "
import json, sys
for link in json.load(sys.stdin):
    print([address.get(\"local\") for address in link[\"addr_info\"]])"' | tee /dev/stderr | diff - <(printf '%s\n' 'ip utility, iproute2-6.1.0' "['fd00::2', 'fd00::1', None]")
