/**
 * The long run of the fuzzer of the wire: every address on which any process of a cluster listens, with and without credentials. Every process
 * lives, nothing is kept. `tests/integration/fuzz-wire.test.ts` is the short one.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTarget } from '#tests/bench/kubeconfig.ts';
import { fuzzWire, type WireAddress } from '#tests/integration/fuzz-wire.ts';
import { eventually, hookMs, RunningCluster } from '../running-cluster.ts';
import { residentBytes } from './attack.ts';

const requests = 10_000;
const mebibyte = 1024 * 1024;

/**
 * Garbage is collected when V8 likes, so that memory grows for a while whatever comes; what is kept grows without an end. Of this many rounds
 * of `roundRequests` each process has one that adds next to nothing.
 */
const roundsMax = 8;
const roundRequests = 4_000;
const roundBytesMax = 4 * mebibyte;
const host = '127.0.0.1';

let cluster: RunningCluster;

beforeAll(async () => {
  cluster = await RunningCluster.start({ flags: ['--processes'] });
}, hookMs);

afterAll(() => cluster?.remove(), hookMs);

interface ProcessStatus {
  readonly name: string;
  readonly pid: number;
  readonly health: string;
}

async function processes(): Promise<readonly ProcessStatus[]> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  return (JSON.parse(stdout) as { processes: readonly ProcessStatus[] }).processes;
}

/** Addresses that a process listens on, as the kernel says. */
function listening(pid: number): readonly { readonly ip: string; readonly port: number }[] {
  const inodes = new Set(descriptors(pid).map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]));
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && inodes.has(fields[9]))
    .map((fields) => {
      const [address = '', port = ''] = fields[1]!.split(':');
      const ip = address
        .match(/../g)!
        .toReversed()
        .map((byte) => Number.parseInt(byte, 16))
        .join('.');
      return { ip, port: Number.parseInt(port, 16) };
    });
}

function descriptors(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(join(folder, name))];
    } catch {
      return [];
    }
  });
}

test('10,000 odd requests to every address end no process and leave nothing', { timeout: 400_000 }, async () => {
  const { ca, cert, key } = readTarget(cluster.kubeconfig);
  const client = { ca: ca!, cert: cert!, key: key! };
  const before = await processes();
  const addresses = before.flatMap(({ name, pid }) =>
    listening(pid).flatMap(({ ip, port }): WireAddress[] => {
      const at = { host: ip === '0.0.0.0' ? host : ip, port };
      const label = `${name} ${ip}:${port}`;
      if (!isTls(name, port)) return [{ ...at, name: label, goodStatuses: [500, 503] }];
      return [
        { ...at, name: `${label}, known`, tls: client },
        { ...at, name: label, tls: {} },
        { ...at, name: `${label}, known, HTTP/2`, tls: client, isHttp2: true },
        { ...at, name: `${label}, HTTP/2`, tls: {}, isHttp2: true },
      ];
    }),
  );
  expect(addresses.length).toBeGreaterThan(6);
  // The first thousand warms everything up.
  await fuzzWire(addresses, 1_000, 1);
  await settled(before);
  const open = before.map(({ pid }) => descriptors(pid).length);
  const { faults, statuses } = await fuzzWire(addresses, requests, 2);
  process.stdout.write(`${JSON.stringify(statuses, undefined, 1)}\n`);
  expect(faults).toEqual([]);
  expect(await processes(), lastWords()).toEqual(before);
  const grown = (): readonly number[] => before.map(({ pid }, i) => descriptors(pid).length - open[i]!);
  await eventually(
    async () => Math.max(...grown()),
    (most) => most <= 4,
  );
  await expectNoGrowth(before, addresses);
});

/** Rounds of requests until each process has had one in which its memory did not grow. */
async function expectNoGrowth(all: readonly ProcessStatus[], addresses: readonly WireAddress[]): Promise<void> {
  const growths = new Map(all.map(({ name }) => [name, [] as number[]]));
  const growing = (): readonly string[] =>
    [...growths]
      .filter(([, each]) => Math.min(...each) > roundBytesMax)
      .map(([name, each]) => `${name}: ${each.join(', ')}`);
  let last = all.map(({ pid }) => residentBytes(pid));
  for (let round = 0; round < roundsMax && growing().length > 0; round++) {
    await fuzzWire(addresses, roundRequests, 3 + round);
    const now = all.map(({ pid }) => residentBytes(pid));
    for (const [i, { name }] of all.entries()) growths.get(name)!.push(now[i]! - last[i]!);
    last = now;
  }
  expect(growing()).toEqual([]);
}

/** What the processes said last. */
function lastWords(): string {
  const folder = join(cluster.dataDir, 'logs');
  return readdirSync(folder)
    .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8').slice(-1_500)}`)
    .join('\n');
}

/** Waits until all that the components open after their start, such as watches of every kind, is open. */
async function settled(all: readonly ProcessStatus[]): Promise<void> {
  const counts = (): string => all.map(({ pid }) => descriptors(pid).length).join();
  let last = '';
  let same = 0;
  await eventually(
    async () => {
      const now = counts();
      same = now === last ? same + 1 : 0;
      last = now;
      return same;
    },
    // Looked at ten times a second.
    (times) => times >= 150,
    120_000,
  );
}

/** The API server's and the kubelet's own addresses; health is plain. */
function isTls(name: string, port: number): boolean {
  if (name === 'kube-apiserver') return port === cluster.apiPort;
  return name.startsWith('kubelet') && !healthPorts().includes(port);
}

/** Ports of health addresses, from the files in which the processes say them. */
function healthPorts(): readonly number[] {
  const folder = join(cluster.dataDir, 'run');
  return readdirSync(folder)
    .map((name) => /"healthz": *"http:\/\/[^:]+:(\d+)"/.exec(readFileSync(join(folder, name), 'utf8'))?.[1])
    .map(Number);
}
