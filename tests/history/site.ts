/**
 * A control plane whose every process can be got at: two API servers on three members of etcd with two schedulers and two controller managers, or one API
 * server on lmdb. As root each member of etcd runs as a user of its own, by which the firewall of a network namespace tells what it sends.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectionOf } from '#cmd/common/connection.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { findEtcd } from '#pkg/storage/drivers/etcd/test-etcd.ts';
import { eventually, freePort, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { Member } from './member.ts';

/** Shifts the clock of a process that is started with it. Debian's package is `libfaketime`. */
const faketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

/** For everything to answer again, on a slow machine. */
const patienceMs = 240_000;

/** First of the users that members of etcd run as. */
const firstUid = 20_001;

export interface EtcdMember {
  readonly member: Member;
  readonly endpoint: string;
  /** A small file system of its own, with all that it writes; absent where there are none. */
  readonly disk?: string;
  /** Absent where it runs as the user of the tests. */
  readonly uid?: number;
}

export interface ApiServer {
  readonly member: Member;
  readonly url: string;
  /** A small file system of its own, with all that it keeps; absent where there are none, or it keeps nothing. */
  readonly disk?: string;
  /** Where its clock is shifted by; absent where there is no libfaketime. */
  readonly clockFile?: string;
}

/** Its processes, by what they are. */
export interface Site {
  readonly etcd: readonly EtcdMember[];
  readonly servers: readonly ApiServer[];
  /** Candidates for each Lease. */
  readonly candidates: Readonly<Record<string, readonly Member[]>>;
  /** A kubeconfig that may do everything. */
  readonly kubeconfig: string;
  /** Resolves once every member of etcd and every API server answers. */
  isWhole(): Promise<void>;
  stop(): Promise<void>;
}

/** Where the site is, and what it keeps its data in. */
export interface SiteOptions {
  readonly folder: string;
  readonly store: 'etcd' | 'lmdb';
  /** Whether this process may mount what is gone with it: it has a mount namespace of its own. */
  readonly hasOwnMounts: boolean;
}

/** Room for what a run writes: etcd makes its log's files of 64 MB, two at a time, before it needs them. */
const etcdDiskMiB = 512;
const lmdbDiskMiB = 128;

/** Makes a folder that is a file system of that size; gives it. */
async function smallDisk(folder: string, sizeMiB: number): Promise<string> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=0700`, 'tmpfs', folder]);
  if (mounted.code !== 0) throw new Error(`Cannot mount a small disk: ${mounted.stderr}`);
  return folder;
}

/** Starts it and waits until it is whole. */
export async function startSite({ folder, store, hasOwnMounts }: SiteOptions): Promise<Site> {
  const keys = join(folder, 'pki');
  const ports = await Promise.all((store === 'etcd' ? [0, 1] : [0]).map(() => freePort()));
  const urls = ports.map((port) => `https://127.0.0.1:${port}`);
  const maker = join(root, 'deploy/compose/make-keys.ts');
  const args = [maker, keys, join(folder, 'etcd-keys'), join(folder, 'node-keys')];
  const made = await run(process.execPath, args, { env: { SERVER: urls[0] ?? '' } });
  if (made.code !== 0) throw new Error(`Cannot make keys: ${made.stderr}`);
  const etcd = store === 'etcd' ? await etcdMembers(folder, hasOwnMounts) : [];
  const endpoints = etcd.map(({ endpoint }) => endpoint).join(',');
  const disk = store === 'lmdb' && hasOwnMounts ? await smallDisk(join(folder, 'store'), lmdbDiskMiB) : undefined;
  const servers = ports.map((port, index) => ({
    ...apiServer({ folder, index, port, endpoints }),
    ...(disk === undefined ? {} : { disk }),
  }));
  const candidates: Site['candidates'] =
    store === 'lmdb'
      ? {}
      : {
          'kube-scheduler': [0, 1].map((index) => candidate({ folder, index, urls, name: 'scheduler' })),
          'kube-controller-manager': [0, 1].map((index) =>
            candidate({ folder, index, urls, name: 'controller-manager' }),
          ),
        };
  const members = [...etcd, ...servers].map(({ member }) => member).concat(...Object.values(candidates));
  for (const member of members) member.start();
  const kubeconfig = join(keys, 'admin.kubeconfig');
  const site: Site = {
    etcd,
    servers,
    candidates,
    kubeconfig,
    isWhole: () => isWhole({ etcd, urls, kubeconfig }),
    stop: async () => {
      await Promise.all(members.map((member) => member.stop()));
      for (const place of [...etcd, ...servers]) if (place.disk !== undefined) await run('umount', [place.disk]);
    },
  };
  try {
    await site.isWhole();
    return site;
  } catch (error) {
    await site.stop();
    throw error;
  }
}

async function etcdMembers(folder: string, hasOwnMounts: boolean): Promise<readonly EtcdMember[]> {
  const program = findEtcd(process.env.PATH);
  if (program === undefined)
    throw new Error("Cannot start etcd as there is none on the PATH (Debian's package is etcd-server)");
  // The members' own users get to their folders through it; what else is there is for its owner alone.
  chmodSync(folder, 0o711);
  const peers: { readonly name: string; readonly client: number; readonly peer: number }[] = [];
  for (const name of ['etcd-1', 'etcd-2', 'etcd-3'])
    peers.push({ name, client: await freePort(), peer: await freePort() });
  const cluster = peers.map(({ name, peer }) => `${name}=http://127.0.0.1:${peer}`).join(',');
  const disks = new Map<string, string>();
  if (hasOwnMounts) for (const { name } of peers) disks.set(name, await smallDisk(join(folder, name), etcdDiskMiB));
  return peers.map(({ name, client, peer }, index) => {
    const dataDir = join(folder, name);
    const disk = disks.get(name);
    if (disk === undefined) mkdirSync(dataDir, { mode: 0o700 });
    const uid = process.getuid?.() === 0 ? firstUid + index : undefined;
    if (uid !== undefined) chownSync(dataDir, uid, uid);
    const endpoint = `http://127.0.0.1:${client}`;
    const flags = {
      name,
      'data-dir': dataDir,
      'listen-client-urls': endpoint,
      'advertise-client-urls': endpoint,
      'listen-peer-urls': `http://127.0.0.1:${peer}`,
      'initial-advertise-peer-urls': `http://127.0.0.1:${peer}`,
      'initial-cluster': cluster,
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    const user = uid === undefined ? {} : { uid };
    const member = new Member({ name, command: program, args, logFile: join(folder, `${name}.log`), ...user });
    return { member, endpoint, ...user, ...(disk === undefined ? {} : { disk }) };
  });
}

interface ServerPlace {
  readonly folder: string;
  readonly index: number;
  readonly port: number;
  readonly endpoints: string;
}

function apiServer({ folder, index, port, endpoints }: ServerPlace): ApiServer {
  const name = `apiserver-${index + 1}`;
  const clockFile = existsSync(faketime) ? join(folder, `${name}.clock`) : undefined;
  if (clockFile !== undefined) writeFileSync(clockFile, '+0s\n');
  const env = {
    LD_PRELOAD: faketime,
    FAKETIME_TIMESTAMP_FILE: clockFile ?? '',
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
  };
  const flags = ['--bind-address=127.0.0.1', `--secure-port=${port}`, `--data-dir=${folder}`];
  if (endpoints !== '') flags.push(`--etcd-servers=${endpoints}`);
  const args = [join(root, 'cmd/apiserver/main.ts'), ...flags, '--service-cluster-ip-range=127.96.0.0/18'];
  const member = new Member({
    name,
    command: process.execPath,
    args,
    logFile: join(folder, `${name}.log`),
    ...(clockFile === undefined ? {} : { env }),
  });
  return { member, url: `https://127.0.0.1:${port}`, ...(clockFile === undefined ? {} : { clockFile }) };
}

interface CandidatePlace {
  readonly folder: string;
  readonly index: number;
  readonly urls: readonly string[];
  readonly name: 'controller-manager' | 'scheduler';
}

function candidate({ folder, index, urls, name }: CandidatePlace): Member {
  const kubeconfig = join(folder, 'pki', `${name}.kubeconfig`);
  const own =
    name === 'scheduler' ? [] : [`--root-ca-file=${join(folder, 'pki', 'ca.crt')}`, '--cluster-cidr=127.128.0.0/15'];
  return new Member({
    name: `${name}-${index + 1}`,
    command: process.execPath,
    args: [join(root, `cmd/${name}/main.ts`), `--kubeconfig=${kubeconfig}`, `--servers=${urls.join(',')}`, ...own],
    logFile: join(folder, `${name}-${index + 1}.log`),
  });
}

async function isWhole(site: Pick<Site, 'etcd' | 'kubeconfig'> & { readonly urls: readonly string[] }): Promise<void> {
  for (const { endpoint } of site.etcd)
    await eventually(
      () => answersTrue(`${endpoint}/health`),
      (isSo) => isSo,
      patienceMs,
    );
  for (const url of site.urls) {
    const transport = await connectionOf(site.kubeconfig, { servers: [url] });
    const { signal } = new AbortController();
    const ask = async (): Promise<boolean> => {
      try {
        const { status, body } = await transport.request({
          ...readyz,
          signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
        });
        if (body.kind === 'stream') for await (const _ of body.chunks);
        return status === 200;
      } catch {
        return false;
      }
    };
    try {
      await eventually(ask, (isSo) => isSo, patienceMs);
    } finally {
      await transport.close();
    }
  }
}

const readyz = { method: 'GET', path: '/readyz', query: '', headers: {}, peer: { address: '' } } as const;

async function answersTrue(url: string): Promise<boolean> {
  try {
    const answer = await fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) });
    return answer.ok && /"health":"?true/.test(await answer.text());
  } catch {
    return false;
  }
}

/** A client of the site that goes to whichever server answers. */
export async function clientOf({ kubeconfig, servers }: Pick<Site, 'kubeconfig' | 'servers'>) {
  const transport = await connectionOf(kubeconfig, { servers: servers.map(({ url }) => url) });
  return { client: createClient({ transport, userAgent: 'history' }), close: () => transport.close() };
}
