import { expect, test } from 'vitest';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { parseFlags } from '#pkg/component/flags.ts';
import { changedFlags, settingsOf, upFlags } from './up-flags.ts';

function wanted(args: readonly string[], before?: Partial<typeof defaultSettings>) {
  const parsed = parseFlags(upFlags, args);
  if (!parsed.ok) throw new Error(parsed.message);
  const { values, given } = parsed;
  const had = before === undefined ? undefined : { ...defaultSettings, ...before };
  return { values, given, settings: settingsOf(values, given, had) };
}

const settings = (args: readonly string[], before?: Partial<typeof defaultSettings>) => wanted(args, before).settings;

test('a new cluster has what the flags say, and defaults for the rest', () => {
  expect(settings(['--nodes=3', '--name=x'])).toEqual({ ...defaultSettings, nodes: 3, name: 'x', apiPort: 0 });
  expect(settings(['--api-port=7000']).apiPort).toBe(7000);
});

test('a cluster that exists keeps what it has unless a flag says otherwise', () => {
  const before = { name: 'x', nodes: 5, apiPort: 7000, runtime: 'fake' } as const;
  expect(settings([], before)).toEqual({ ...defaultSettings, ...before });
  expect(settings(['--nodes=1'], before)).toEqual({ ...defaultSettings, ...before, nodes: 1 });
  expect(settings(['--api-port=0'], before).apiPort, 'any free port is the one that it has (fault 42)').toBe(7000);
});

test('thousands of nodes whose pods run nothing are a cluster like another (fault 60)', () => {
  expect(settings(['--nodes=5000', '--runtime=fake'])).toEqual({
    ...defaultSettings,
    nodes: 5_000,
    runtime: 'fake',
    apiPort: 0,
  });
  expect(parseFlags(upFlags, ['--nodes=5001', '--runtime=fake'])).toMatchObject({
    ok: false,
    message: 'invalid value "5001" for --nodes: must be a whole number from 1 to 5000',
  });
});

test('a cluster on virtual time has simulated pods and a store in memory unless flags say otherwise', () => {
  const virtual = { ...defaultSettings, runtime: 'fake', store: 'memory', virtualTime: true } as const;
  expect(settings(['--virtual-time'])).toEqual({ ...virtual, apiPort: 0 });
  expect(settings([], virtual)).toEqual(virtual);
  expect(settings(['--virtual-time=false'], virtual)).toEqual({ ...virtual, virtualTime: undefined });
  expect(() => settings(['--virtual-time'], {})).toThrow(
    'Cannot have --virtual-time as what the runtimes inprocess run',
  );
});

test('two control planes are processes on an etcd', () => {
  const etcd = '--store=http://127.0.0.1:2379';
  expect(settings(['--control-planes=2', '--processes', etcd]).controlPlanes).toBe(2);
  for (const args of [['--processes'], [etcd], ['--processes', '--store=memory']])
    expect(() => settings(['--control-planes=2', ...args])).toThrow('Cannot have --control-planes 2 in one process');
});

test.each<[readonly string[], string]>([
  [['--etcd-username=root'], 'a user and the file of its password are given together'],
  [['--etcd-username=root', '--etcd-password-file=p', '--store=lmdb'], 'a user is for an etcd'],
])('a user of etcd is given whole, and for an etcd: %s', (args, message) => {
  expect(() => settings(args)).toThrow(message);
});

test('the flags that a running cluster cannot follow are known (fault 46)', () => {
  const before = { ...defaultSettings, nodes: 3, apiPort: 7000 };
  const running = { settings: before, userKubeconfig: '/home/me/config', logLevel: 'warn', processes: false };
  const changed = (...args: string[]) => changedFlags(wanted(args, before), running);
  expect(changed()).toEqual([]);
  const same = ['--nodes=3', '--api-port=0', '--kubeconfig=/home/me/config', '--log-level=warn', '--processes=false'];
  expect(changed(...same, '--wait=5s', '--detach', '-o', 'json')).toEqual([]);
  expect(changed('--nodes=2', '--runtime=fake')).toEqual(['nodes', 'runtime']);
  expect(changed('--api-port=7001', '--kubeconfig=x', '--processes', '--log-level=debug')).toEqual([
    'api-port',
    'kubeconfig',
    'processes',
    'log-level',
  ]);
  expect(
    changedFlags(wanted(['--log-level=debug', '--kubeconfig=x'], before), { settings: before, processes: false }),
  ).toEqual([]);
});

test.each<[string, string[], Partial<typeof defaultSettings> | undefined, string]>([
  [
    'a network that one of the runtimes knows nothing of',
    ['--network=bridge', '--runtime=vm,inprocess'],
    undefined,
    'Cannot use the runtime inprocess on the network bridge as its pods have no network namespaces: name another with --runtime',
  ],
  [
    'virtual time with programs',
    ['--virtual-time', '--runtime=fake,inprocess'],
    undefined,
    'Cannot have --virtual-time as what the runtimes fake,inprocess run lives in real time: only --runtime fake follows',
  ],
  [
    'virtual time with a store on a disk',
    ['--virtual-time', '--store=lmdb'],
    undefined,
    'Cannot have --virtual-time as the store lmdb would have objects from the future at the next start: only --store memory follows',
  ],
  [
    'virtual time in several processes',
    ['--virtual-time', '--processes'],
    undefined,
    'Cannot have --virtual-time as processes have clocks of their own',
  ],
  [
    'more nodes than have addresses for programs (fault 60)',
    ['--nodes=513'],
    undefined,
    'Cannot have --nodes 513 as the pods of a cluster have addresses on 512 nodes of this machine: only --runtime fake, whose pods need none, has more',
  ],
  [
    'a network that the runtime cannot be on',
    ['--network=bridge'],
    undefined,
    'Cannot use the runtime inprocess on the network bridge as its pods have no network namespaces: name another with --runtime',
  ],
  [
    'another network for addresses that exist',
    ['--network=bridge', '--runtime=fake'],
    {},
    'Cannot use --network bridge as the addresses of this cluster are those of loopback: leave the flag out, or name another cluster with --name',
  ],
  [
    'more nodes than the network has addresses for',
    ['--network=bridge', '--runtime=fake', '--nodes=251'],
    undefined,
    'Cannot have --nodes 251 as the network bridge has addresses for 250 nodes',
  ],
  [
    'a runtime that there is not',
    ['--runtime=fake,docker'],
    undefined,
    'invalid value "fake,docker" for --runtime: there is no runtime "docker": use inprocess, container, cri, vm, fake, or several with commas between them',
  ],
  [
    'a runtime twice',
    ['--runtime=fake,fake'],
    undefined,
    'invalid value "fake,fake" for --runtime: the runtime fake is there twice',
  ],
  [
    'a network that there is not',
    ['--network=flat'],
    undefined,
    'invalid value "flat" for --network: must be one of loopback, bridge, cni',
  ],
  [
    'a store that cannot be',
    ['--store=mongo'],
    undefined,
    'invalid value "mongo" for --store: must be lmdb, memory, or http(s) addresses of etcd members with commas between them',
  ],
  [
    'another store for data that exists',
    ['--store=memory'],
    {},
    'Cannot use --store memory as this cluster keeps its data in lmdb: leave the flag out, or name another cluster with --name',
  ],
  [
    'the folder of another cluster',
    ['--name=y'],
    { name: 'x' },
    'Cannot use this data folder for "y" as it is that of the cluster "x": name another folder with --data-dir, or start it by its own name (a copy with --name x --renumber)',
  ],
])('%s is refused', (_, args, before, message) => {
  expect(() => settings(args, before)).toThrow(message);
});
