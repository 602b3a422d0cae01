#!/usr/bin/env bash
# etcd3 1.1.2: a write that etcd refuses for want of space opens the circuit breaker for every call of the client, so that the next one, which would disarm
# the alarm (or compact, or defragment), is refused without being sent. etcd answers all the while.
# Wants Debian's etcd-server (seen with 3.4.23).
set -euo pipefail
folder=$(mktemp -d)
cd "$folder"
port=$((20000 + RANDOM % 10000))
etcd --data-dir "$folder/data" --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port" \
  --listen-peer-urls "http://127.0.0.1:$((port + 1))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 1))" \
  --initial-cluster "default=http://127.0.0.1:$((port + 1))" >log 2>&1 &
etcd=$!
trap 'kill $etcd; wait $etcd || true; rm -rf "$folder"' EXIT
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts etcd3@1.1.2
cat >seen.mjs <<'JS'
import { AlarmAction, AlarmType, Etcd3 } from 'etcd3';

const hosts = process.argv[2];
const client = new Etcd3({ hosts });
const { header } = await client.maintenance.status();
const space = { memberID: header.member_id, alarm: AlarmType.Nospace };
await client.maintenance.alarm({ ...space, action: AlarmAction.Activate });
const tell = (what, call) => call.then(() => console.log(`${what}: done`), (error) => console.log(`${what}: ${error.constructor.name}`));
await tell('write', client.put('key').value('value').exec());
const disarm = { ...space, action: AlarmAction.Deactivate };
await tell('disarm', client.maintenance.alarm(disarm));
await tell('disarm by another client', new Etcd3({ hosts }).maintenance.alarm(disarm));
process.exit();
JS
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$port/health" >/dev/null && break; sleep 0.1; done
timeout 60 node seen.mjs "http://127.0.0.1:$port" | tee seen
diff seen - <<'TEXT'
write: GRPCResourceExhastedError
disarm: BrokenCircuitError
disarm by another client: done
TEXT
