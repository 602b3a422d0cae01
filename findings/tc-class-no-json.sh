#!/usr/bin/env bash
# `tc -j class show` of iproute2 6.1.0 prints plain text, though the same flag makes JSON of `qdisc show` beside it: who shapes pods by classes and reads
# back what is set has to parse words. Needs Debian's iproute2 and user namespaces (or root); it makes its links in a network namespace of its own.
set -euo pipefail
unshare --map-root-user --net bash -euo pipefail -c '
  ip link add pod0 type veth peer name pod1
  tc qdisc add dev pod0 root handle 1: htb default 1
  tc class add dev pod0 parent 1: classid 1:1 htb rate 10mbit
  tc -V | cut -d, -f1-2
  for what in qdisc class; do
    if tc -j "$what" show dev pod0 | python3 -c "import json, sys; json.load(sys.stdin)" 2>/dev/null; then echo "$what: JSON"; else echo "$what: $(tc -j "$what" show dev pod0 | grep -o "class htb 1:1 root")"; fi
  done' | tee /dev/stderr | diff - <(printf '%s\n' 'tc utility, iproute2-6.1.0' 'qdisc: JSON' 'class: class htb 1:1 root')
