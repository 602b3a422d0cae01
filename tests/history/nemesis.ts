/** What is done to a site while its clients are at work: each fault, how it is seen that it took effect, and how it is mended. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { configMaps, leases } from '#pkg/api/types/refs.ts';
import { isNotFound } from '#pkg/apimachinery/status-error.ts';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { type Random, randomInt } from '#pkg/base/random.ts';
import { eventually } from '#tests/e2e/running-cluster.ts';
import type { Member } from './member.ts';
import { type ApiServer, clientOf, type EtcdMember, type Site } from './site.ts';

const clock = new SystemClock();
/** How long a fault lasts that does not end by itself: longer than etcd waits for a leader, and much shorter than a Lease. */
const faultMs = 2_500;
/** How far a clock is shifted. */
const shiftSeconds = 3_600;
const patienceMs = 240_000;
/** For a process to want room that there is not: clients write all the time. */
const fullMsMax = 60_000;

/** One kind of fault: whether it took effect on the machine, once it is over. */
export interface Fault {
  readonly name: string;
  strike(): Promise<boolean>;
}

/** Every fault that can be had here. `hasOwnNetwork`: the firewall is that of a namespace of the run's own. */
export function faultsOf(
  site: Site,
  options: { readonly random: Random; readonly hasOwnNetwork: boolean },
): readonly Fault[] {
  const { random } = options;
  const faults: Fault[] = [];
  const add = (name: string, strike: () => Promise<boolean>): void => void faults.push({ name, strike });
  const anyServer = (): ApiServer => oneOf(site.servers, random);
  add('an API server is killed', () => anyServer().member.kill());
  add('an API server is paused', () => paused(anyServer().member));
  if (site.servers.every(({ clockFile }) => clockFile !== undefined))
    add('the clock of an API server is shifted', () => shifted(site, anyServer()));
  for (const lease of Object.keys(site.candidates)) {
    add(`the leader of ${lease} is killed`, async () => (await leaderOf(site, lease)).kill());
    add(`the leader of ${lease} is paused`, async () => paused(await leaderOf(site, lease)));
  }
  const [keeper] = site.servers;
  if (keeper?.disk !== undefined) add('the disk of an API server is full', () => filled(keeper));
  if (site.etcd.length === 0) return faults;
  if (site.etcd.every(({ disk }) => disk !== undefined))
    add('the disk of a member of etcd is full', () => filled(oneOf(site.etcd, random)));
  add('the leader of etcd is killed', async () => (await etcdLeader(site)).member.kill());
  add('the leader of etcd is paused', async () => paused((await etcdLeader(site)).member));
  add('a member of etcd is killed', () => oneOf(site.etcd, random).member.kill());
  if (options.hasOwnNetwork) add('the leader of etcd is cut off', async () => cutOff(await etcdLeader(site)));
  return faults;
}

function oneOf<T>(all: readonly T[], random: Random): T {
  const one = all[randomInt(random, all.length)];
  if (one === undefined) throw new Error('Cannot choose one of none');
  return one;
}

async function paused(member: Member): Promise<boolean> {
  const isPaused = await member.pause();
  try {
    await sleep(clock, faultMs);
  } finally {
    member.resume();
  }
  return isPaused;
}

/** Who holds the Lease, by the log in which it says so under the name of its candidate. */
async function leaderOf(site: Site, lease: string): Promise<Member> {
  const { client, close } = await clientOf(site);
  const find = async (): Promise<Member | undefined> => {
    try {
      const { spec } = await client
        .resource(leases)
        .get(lease, { namespace: 'kube-system', signal: AbortSignal.timeout(10_000) });
      const holder = spec?.holderIdentity ?? '';
      return holder === ''
        ? undefined
        : site.candidates[lease]?.find(({ logFile }) => readFileSync(logFile, 'utf8').includes(`identity=${holder}`));
    } catch {
      return undefined;
    }
  };
  try {
    const found = await eventually(find, (member) => member !== undefined, patienceMs);
    if (found === undefined) throw new Error(`Cannot find the leader of ${lease}`);
    return found;
  } finally {
    await close();
  }
}

/** Which member leads, as it says itself. Source: etcd `rpc.proto`, `Maintenance.Status`. */
async function etcdLeader(site: Site): Promise<EtcdMember> {
  const find = async (): Promise<EtcdMember | undefined> => {
    for (const one of site.etcd) {
      try {
        const answer = await fetch(`${one.endpoint}/v3/maintenance/status`, {
          method: 'POST',
          body: '{}',
          signal: AbortSignal.timeout(5_000),
        });
        const text = await answer.text();
        const [own, leader] = ['member_id', 'leader'].map((field) => new RegExp(`"${field}":"?(\\d+)`).exec(text)?.[1]);
        if (own !== undefined && own === leader) return one;
      } catch {
        // Another one may know.
      }
    }
    return undefined;
  };
  const found = await eventually(find, (member) => member !== undefined, patienceMs);
  if (found === undefined) throw new Error('Cannot find the leader of etcd');
  return found;
}

/** Its disk has no room, until it ends for want of it; then there is room again. */
async function filled({ member, disk = '' }: { readonly member: Member; readonly disk?: string }): Promise<boolean> {
  const file = join(disk, 'filler');
  const piece = Buffer.alloc(1 << 20, 'x');
  const filler = openSync(file, 'w', 0o600);
  try {
    // Down to the last page.
    for (let bytes = piece.length; bytes >= 1; ) {
      try {
        if (writeSync(filler, piece, 0, bytes) < bytes) bytes >>= 1;
      } catch {
        bytes >>= 1;
      }
    }
    return await member.ends(fullMsMax);
  } finally {
    closeSync(filler);
    rmSync(file, { force: true });
  }
}

/** Nothing that the member sends goes anywhere; the firewall counts what it wanted to send. */
async function cutOff({ uid }: EtcdMember): Promise<boolean> {
  const rules = `table inet history { chain out { type filter hook output priority 0; policy accept; meta skuid ${uid} counter drop; }; }`;
  nft(['-f', '-'], rules);
  try {
    await sleep(clock, faultMs);
    const dropped = /packets (\d+)/.exec(nft(['list', 'table', 'inet', 'history']))?.[1];
    return Number(dropped) > 0;
  } finally {
    nft(['delete', 'table', 'inet', 'history']);
  }
}

function nft(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('nft', args, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** The server thinks that it is an hour later; what it makes meanwhile says so. */
async function shifted(site: Site, server: ApiServer): Promise<boolean> {
  const { clockFile = '' } = server;
  const { client, close } = await clientOf({ kubeconfig: site.kubeconfig, servers: [server] });
  const resource = client.resource(configMaps);
  const metadata = { name: 'clock', namespace: 'default' };
  writeFileSync(clockFile, `+${shiftSeconds}s\n`);
  try {
    await sleep(clock, faultMs);
    const made = await eventually(
      async () => {
        try {
          return await resource.create({ metadata });
        } catch {
          await resource.delete('clock', { namespace: 'default' }).catch((error: unknown) => isNotFound(error));
          return undefined;
        }
      },
      (object) => object !== undefined,
      patienceMs,
    );
    const ahead = Date.parse(made?.metadata?.creationTimestamp ?? '') - Date.now();
    return ahead > (shiftSeconds * 1_000) / 2;
  } finally {
    writeFileSync(clockFile, '+0s\n');
    await resource.delete('clock', { namespace: 'default' }).catch(() => {});
    await close();
  }
}
