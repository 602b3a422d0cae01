/**
 * Queries a second that cluster DNS answers, by `dnsperf`, beside Debian's `dnsmasq` and `unbound` (where they are) with the same names on the same machine, in turns:
 * `node tests/network/measure-dns.ts [ROUNDS]`. Prints each round, and the medians as parts of dnsmasq's. Each server is a process of its own; processor time is per query.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { Answerer } from '#pkg/dns/answerer.ts';
import { serveDns } from '#pkg/dns/dns-server.ts';
import { ClusterZone } from '#pkg/dns/zone.ts';
import { ZoneLookup } from '#pkg/dns/zone-lookup.ts';

const names = 1_000;
const seconds = 3;
const domain = 'cluster.local';
const address = '127.0.0.1';
const ticksPerSecond = 100;

const nameAt = (index: number): string => `service-${index}.shop.svc.${domain}`;
const ipAt = (index: number): string => `10.96.${index >> 8}.${index & 255}`;
const all = Array.from({ length: names }, (_, index) => index);

async function serveOurs(port: number): Promise<void> {
  const zone = new ClusterZone();
  zone.setNamespace('shop');
  for (const index of all)
    zone.setService({
      metadata: { name: `service-${index}`, namespace: 'shop' },
      spec: { clusterIPs: [ipAt(index)], ports: [{ port: 80 }] },
    });
  const random = new SystemRandom();
  const answerer = new Answerer({ lookup: new ZoneLookup(zone, domain), domain, random });
  await serveDns({ answerer, address, port, clock: new SystemClock() });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, address);
  await new Promise((resolve) => server.once('listening', resolve));
  const at = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof at === 'object' && at !== null ? at.port : 0;
}

/** Of all threads of a process, in seconds. */
function processorSeconds({ pid = 0 }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

interface Round {
  readonly queries: number;
  readonly microseconds: number;
}

function measure(server: ChildProcess, port: number, questions: string): Round {
  const before = processorSeconds(server);
  const args = ['-s', address, '-p', String(port), '-d', questions, '-l', String(seconds), '-c', '8', '-q', '200'];
  const said = execFileSync('dnsperf', args, { encoding: 'utf8' });
  const read = (pattern: RegExp): number => Number(pattern.exec(said)?.[1] ?? Number.NaN);
  const completed = read(/Queries completed:\s+(\d+)/);
  if (read(/NOERROR (\d+)/) !== completed) throw new Error(`Cannot count what was not answered:\n${said}`);
  return {
    queries: read(/Queries per second:\s+([\d.]+)/),
    microseconds: ((processorSeconds(server) - before) / completed) * 1e6,
  };
}

/** Resolves once it listens. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: address, port }, () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (answers) return;
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

async function main(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-dns-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const questions = file('questions', all.map((index) => `${nameAt(index)} A\n`).join(''));
  const [ours, theirs, third] = [await freePort(), await freePort(), await freePort()];
  const records = all.map((index) => `host-record=${nameAt(index)},${ipAt(index)}\n`).join('');
  const dnsmasq = file(
    'dnsmasq',
    `${records}no-resolv\nno-hosts\nlisten-address=${address}\nbind-interfaces\nuser=root\n`,
  );
  const data = all.map((index) => `local-data: "${nameAt(index)} 5 IN A ${ipAt(index)}"\n`).join('');
  const unbound = file(
    'unbound',
    `server:\ninterface: ${address}@${third}\nusername: ""\nchroot: ""\ndo-daemonize: no\npidfile: ""\nlocal-zone: "${domain}." static\n${data}`,
  );
  const commands: readonly (readonly [name: string, port: number, command: readonly string[]])[] = [
    ['coxswain', ours, [process.execPath, import.meta.filename, '--serve', String(ours)]],
    [
      'dnsmasq',
      theirs,
      ['dnsmasq', '--keep-in-foreground', `--port=${theirs}`, `--conf-file=${dnsmasq}`, '--pid-file='],
    ],
    ['unbound', third, ['unbound', '-d', '-c', unbound]],
  ];
  const servers = commands
    .filter(([, , [program = '']]) => spawnSync(program, ['--version']).error === undefined)
    .map(([name, port, [program = '', ...args]]) => {
      const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const results: Round[] = [];
      return { name, port, child, results };
    });
  try {
    for (const { port } of servers) await listening(port);
    // The first round is for the compilers.
    for (let round = 0; round <= rounds; round++)
      for (const { name, port, child, results } of servers) {
        const result = measure(child, port, questions);
        if (round > 0) results.push(result);
        console.log(
          `${name.padEnd(10)} ${result.queries.toFixed(0).padStart(8)}/s ${result.microseconds.toFixed(1)} us`,
        );
      }
    const base = servers.find(({ name }) => name === 'dnsmasq')?.results ?? [];
    for (const { name, results } of servers) {
      const part = median(results.map(({ queries }) => queries)) / median(base.map(({ queries }) => queries));
      const cost =
        median(results.map(({ microseconds }) => microseconds)) / median(base.map(({ microseconds }) => microseconds));
      console.log(
        `${name}: ${part.toFixed(2)} of dnsmasq's queries a second, ${cost.toFixed(2)} of its processor time for each`,
      );
    }
  } finally {
    for (const { child } of servers) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--serve') await serveOurs(Number(process.argv[3]));
else await main(Number(process.argv[2] ?? 5));
