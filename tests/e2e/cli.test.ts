/** The command line as a person meets it: help, the life of a cluster in the foreground, behind the terminal and by hand, and two clusters at once. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { kubeconfigOf, writeKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import { ensurePki } from '#pkg/cluster/pki.ts';
import { root } from '#tests/tidy/source-files.ts';
import { binary } from './kubectl-binary.ts';
import { coxswainMain, processesWith, type Started, start } from './machine.ts';
import { type CommandResult, eventually, freePort, hookMs, RunningCluster, run } from './running-cluster.ts';

const kubectl = '35';
const processes = ['apiserver', 'controller-manager', 'scheduler', 'kubelet', 'kube-proxy', 'cluster-dns'] as const;
const mainOf = (name: string): string => join(coxswainMain, `../../${name}/main.ts`);
const coxswain = (...args: string[]): Promise<CommandResult> => run(process.execPath, [coxswainMain, ...args]);
const isEmpty = (found: readonly string[]): boolean => found.length === 0;

describe('help and mistakes', () => {
  test.each(['up', 'down', 'status', 'list', 'kubeconfig', 'doctor', 'kubectl'])(
    '%s --help says how it is called',
    async (name) => {
      const { code, stdout, stderr } = await coxswain(name, '--help');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^Usage: (npx )?coxswain ${name}`, 'm'));
      expect((await coxswain('--help')).stdout).toContain(`  ${name} `);
    },
  );

  test.each(processes)('%s/main.ts --help lists its flags', async (name) => {
    const { code, stdout, stderr } = await run(process.execPath, [mainOf(name), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: node cmd/${name}/main.ts [flags]`);
    expect(stdout).toMatch(/^ +--config file +/m);
  });

  test.each([
    [[], 1, /^$/],
    [['sail'], 1, /^coxswain: unknown command "sail": "coxswain --help" lists them\n$/],
    [
      ['up', '--nodez', '3'],
      1,
      /^coxswain: unknown flag: --nodez \(did you mean --nodes\?\) \(see "coxswain up --help"\)\n$/,
    ],
    [['up', '--nodes', 'many'], 1, /^coxswain: invalid value "many" for --nodes: .*\n$/],
    [['up', '--nodes'], 1, /^coxswain: flag needs a value: --nodes number .*\n$/],
    [['up', 'quickly'], 1, /^coxswain: unexpected argument: quickly .*\n$/],
    [['up', '--name', 'Ärger'], 1, /^coxswain: invalid value "Ärger" for --name: .*\n$/],
    [['up', '--store', 'postgres'], 1, /^coxswain: invalid value "postgres" for --store: .*\n$/],
    [
      ['up', '--runtime', 'cri', '--cri-socket', '/nowhere/cri.sock'],
      1,
      /^coxswain: Cannot use --runtime cri as (no container runtime answers at \/nowhere\/cri\.sock|volumes of its containers) .*\n$/,
    ],
    [['down', 'now'], 1, /^coxswain: unexpected argument: now .*\n$/],
    [['status', '-o', 'xml'], 1, /^coxswain: invalid value "xml" for --output: must be one of json, yaml .*\n$/],
    [['vm', 'sart'], 1, /^coxswain: unknown command "vm sart": "coxswain vm --help" lists them\n$/],
    [['image', 'lod'], 1, /^coxswain: unknown command "image lod": "coxswain image --help" lists them\n$/],
  ] as const)('coxswain %j', async (args, code, stderr) => {
    const result = await coxswain(...args);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(stderr);
  });

  test.each(processes)('%s/main.ts refuses what it does not know, and says what it needs', async (name) => {
    const unknown = await run(process.execPath, [mainOf(name), '--kubeconfg=x']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/^[\w-]+: unknown flag: --kubeconfg .*\(see --help\)\n$/);
    const bare = await run(process.execPath, [mainOf(name)]);
    expect(bare.code).toBe(1);
    expect(bare.stderr).toMatch(/^[\w-]+: the flag --\S+ is required.*\n$/);
  });
});

describe('a cluster behind the terminal', () => {
  let cluster: RunningCluster;
  const others = {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: { colors: true },
    clusters: [{ name: 'work', cluster: { server: 'https://work.example:6443', 'insecure-skip-tls-verify': true } }],
    contexts: [
      {
        name: 'work',
        context: {
          cluster: 'work',
          user: 'me',
          namespace: 'team',
          extensions: [{ name: 'x', extension: { a: [1, 'two', null] } }],
        },
      },
    ],
    'current-context': 'work',
    users: [
      {
        name: 'me',
        user: {
          exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'login', args: ['--as', 'me'], env: null },
        },
      },
    ],
  };

  beforeAll(async () => {
    cluster = await RunningCluster.prepare();
    writeFileSync(cluster.kubeconfig, JSON.stringify(others), { mode: 0o640 });
    expect(await cluster.up()).toMatchObject({ code: 0 });
  }, hookMs);

  afterAll(() => cluster?.remove(), hookMs);

  const config = (): typeof others => load(readFileSync(cluster.kubeconfig, 'utf8')) as typeof others;

  test('its context is added to the kubeconfig, whose other contents stay', async () => {
    const now = config();
    expect(now['current-context']).toBe('coxswain-dev');
    expect({ ...now, 'current-context': 'work' }).toEqual({
      ...others,
      clusters: [...others.clusters, expect.objectContaining({ name: 'coxswain-dev' })],
      contexts: [
        ...others.contexts,
        { name: 'coxswain-dev', context: { cluster: 'coxswain-dev', user: 'coxswain-dev' } },
      ],
      users: [...others.users, expect.objectContaining({ name: 'coxswain-dev' })],
    });
    expect(await cluster.kubectl(kubectl, ['get', 'nodes', '-o', 'name'])).toBe('node/dev-node-1\n');
  });

  test('status shows every component, for people and as JSON', async () => {
    const { code, stdout } = await cluster.coxswain(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^PROCESS +PID +HEALTH$/m);
    const components = ['kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'cluster-dns'];
    const names = ['kube-apiserver', 'kubelet/dev-node-1', ...components];
    for (const name of names) expect(stdout).toMatch(new RegExp(`^${name} +\\d+ +healthy$`, 'm'));
    const status = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
    expect(status).toMatchObject({
      name: 'dev',
      running: true,
      healthy: true,
      server: `https://127.0.0.1:${cluster.apiPort}`,
      kubeconfig: join(cluster.dataDir, 'kubeconfig'),
      context: 'coxswain-dev',
      processes: names.map((name) => ({ name, pid: expect.any(Number), health: 'healthy' })),
    });
  });

  test('kubeconfig prints one that works by itself', async () => {
    const { stdout } = await cluster.coxswain(['kubeconfig']);
    const alone = join(cluster.dataDir, 'alone.test');
    writeFileSync(alone, stdout);
    const nodes = await run(binary(kubectl, 'kubectl'), ['--kubeconfig', alone, 'get', 'nodes', '-o', 'name']);
    expect(nodes.stdout).toBe('node/dev-node-1\n');
    expect((await cluster.coxswain(['kubeconfig', '--path'])).stdout).toBe(`${join(cluster.dataDir, 'kubeconfig')}\n`);
  });

  test('doctor says what the machine can do, and sees that the cluster has the port', async () => {
    const { code, stdout } = await cluster.coxswain(['doctor', '--api-port', String(cluster.apiPort)], {
      env: { KUBECONFIG: cluster.kubeconfig },
    });
    expect(stdout).toMatch(/^ok +Node \d+\./m);
    expect(stdout).toContain(`Port ${cluster.apiPort} is in use by this cluster, which runs`);
    expect(code, stdout).toBe(0);
    const forPrograms = await cluster.coxswain(['doctor', '-o', 'json', '--api-port', String(cluster.apiPort)]);
    const { findings } = JSON.parse(forPrograms.stdout);
    expect(findings[0]).toEqual({ level: 'good', what: `Node ${process.versions.node}` });
  });

  test('a second up says that it runs; another cluster of that name does not get its context', async () => {
    const again = await cluster.up();
    expect(again.code).toBe(0);
    expect(again.stdout).toContain(`The cluster "dev" already runs at https://127.0.0.1:${cluster.apiPort}.`);
    const other = await RunningCluster.prepare();
    const place = ['--kubeconfig', cluster.kubeconfig, '--api-port', String(other.apiPort)];
    const refused = await other.coxswain(['up', '--detach', ...place]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^coxswain: Cannot add the context coxswain-dev to \S+ as it is that of another cluster, which runs at \S+: .*--name.*\n$/,
    );
    expect(other.leftOvers()).toEqual([]);
    await other.remove();
  });

  test('up right after a kill -9 never takes the dying process for a cluster', async () => {
    const pidOf = async (): Promise<number> =>
      JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout).processes[0].pid;
    for (let round = 0; round < 5; round++) {
      const pid = await pidOf();
      process.kill(pid, 'SIGKILL');
      expect(await cluster.up()).toMatchObject({ code: 0, stdout: expect.stringContaining('is ready at') });
      expect(await pidOf()).not.toBe(pid);
      expect(await cluster.kubectl(kubectl, ['get', 'nodes', '-o', 'name'])).toBe('node/dev-node-1\n');
    }
  });

  test('up says so when the process lives but is stopped', async () => {
    const { pid } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout).processes[0];
    process.kill(pid, 'SIGSTOP');
    try {
      const up = await cluster.up();
      expect(up).toMatchObject({ code: 1, stdout: '' });
      expect(up.stderr).toMatch(
        /^coxswain: Cannot start the cluster in \S+ as it is paused: "coxswain unpause" lets it go on\n$/,
      );
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('down stops all of it and leaves the kubeconfig as it was; down again is no error', async () => {
    expect(await cluster.down()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Stopped the cluster "dev"\. /),
    });
    expect(config()).toEqual(others);
    expect(processesWith(cluster.dataDir)).toEqual([]);
    expect(await cluster.coxswain(['status'])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/does not run/),
    });
    expect(await cluster.down()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Nothing ran of the cluster/),
    });
  });

  test('down --delete-data removes what is the cluster’s and nothing else', async () => {
    writeFileSync(join(cluster.dataDir, 'thesis.txt'), 'years of work');
    const { code, stdout } = await cluster.coxswain(['down', '--delete-data']);
    expect(code).toBe(0);
    expect(stdout).toContain('what else is there stays');
    // The folder is kubectl's home in this test.
    expect(cluster.leftOvers().filter((name) => name !== '.kube')).toEqual([
      'alone.test',
      'kubeconfig.test',
      'thesis.txt',
    ]);
  });
});

test('the systemd unit starts the command, which sees to its flags (fault 48)', () => {
  const unit = readFileSync(join(root, 'deploy/systemd/coxswain.service'), 'utf8');
  expect(unit).toMatch(/^ExecStart=%h\/coxswain\/node_modules\/\.bin\/node cmd\/coxswain\/bin\.js up$/m);
});

test('npm start is that command too (fault 48)', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  expect(scripts.start).toBe('node cmd/coxswain/bin.js up');
});

describe('a cluster in the foreground', () => {
  let place: string;
  let cluster: Started;
  let port: number;

  beforeEach(async () => {
    place = mkdtempSync(join(tmpdir(), 'coxswain-front-'));
    port = await freePort();
    const where = ['--data-dir', join(place, 'data'), '--kubeconfig', join(place, 'config')];
    cluster = start(process.execPath, [join(root, 'cmd/coxswain/bin.js'), 'up', ...where, '--api-port', String(port)]);
    await eventually(
      async () => cluster.stdout(),
      (text) => text.includes('Ctrl-C stops it'),
    );
  }, hookMs);

  afterEach(async () => {
    cluster.child.kill('SIGKILL');
    // What still runs may write into the folder while it is removed.
    await cluster.ended;
    await eventually(async () => processesWith(place), isEmpty);
    rmSync(place, { recursive: true, force: true });
  }, hookMs);

  const nothingLeft = async (): Promise<void> => {
    expect(processesWith(place)).toEqual([]);
    expect(existsSync(join(place, 'config'))).toBe(false);
    expect(existsSync(join(place, 'data/run/coxswain.json'))).toBe(false);
  };

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s stops it cleanly (fault 46)', async (signal) => {
    const second = await coxswain('up', '--data-dir', join(place, 'data'));
    expect(second).toMatchObject({ code: 0, stdout: expect.stringContaining('already runs at') });
    cluster.child.kill(signal);
    expect(await cluster.ended).toMatchObject({
      code: 0,
      signal: null,
      stderr: expect.stringMatching(/\nStopping …\n$/),
    });
    await nothingLeft();
  });

  test('has the flags that keep its memory small, and is the process that was started (fault 48)', () => {
    const { pid = 0 } = cluster.child;
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    expect(line).toEqual(expect.arrayContaining(['--max-semi-space-size=8', '--experimental-ffi']));
    expect(line.join(' ')).toMatch(/cmd\/coxswain\/bin\.js up /);
    expect(cluster.stderr()).not.toContain('ExperimentalWarning');
  });

  test('a second signal ends it at once, and the next up finds nothing in its way', async () => {
    cluster.child.kill('SIGINT');
    cluster.child.kill('SIGTERM');
    expect((await cluster.ended).code).toBe(130);
    const where = ['--data-dir', join(place, 'data'), '--kubeconfig', join(place, 'config')];
    const up = await coxswain('up', '--detach', ...where, '--api-port', String(port));
    expect(up).toMatchObject({ code: 0 });
    expect((await coxswain('down', '--data-dir', join(place, 'data'))).code).toBe(0);
    await nothingLeft();
  });
});

describe('the processes by hand', () => {
  test('make a cluster in which a Deployment becomes ready', async () => {
    const place = mkdtempSync(join(tmpdir(), 'coxswain-hand-'));
    const port = await freePort();
    const pki = await ensurePki({
      folder: join(place, 'pki'),
      clock: new SystemClock(),
      nodeNames: ['one'],
      hosts: ['one'],
    });
    const pem = (name: string): string => join(place, 'pki', name);
    const kubeconfig = async (identity: string): Promise<string> => {
      const path = join(place, `${identity.replace(':', '-')}.kubeconfig`);
      const entry = { name: 'hand', server: `https://127.0.0.1:${port}`, authority: pki.authority.certificate };
      await writeKubeconfig(path, kubeconfigOf({ ...entry, client: pki.identities.get(identity)! }));
      return path;
    };
    const ranges = { services: '127.111.128.0/18', pods: '127.248.0.0/15' };
    const command = async (name: (typeof processes)[number]): Promise<string[]> => {
      switch (name) {
        case 'apiserver':
          return ['--data-dir', place, '--secure-port', String(port), '--service-cluster-ip-range', ranges.services];
        case 'controller-manager':
          return [
            '--kubeconfig',
            await kubeconfig('controller-manager'),
            '--root-ca-file',
            pem('ca.crt'),
            '--cluster-cidr',
            ranges.pods,
          ];
        case 'scheduler':
          return ['--kubeconfig', await kubeconfig('scheduler')];
        case 'kubelet':
          return [
            '--kubeconfig',
            await kubeconfig('node:one'),
            '--node-name',
            'one',
            '--root-dir',
            join(place, 'kubelet'),
            '--tls-cert-file',
            pem('apiserver.crt'),
            '--tls-private-key-file',
            pem('apiserver.key'),
            '--client-ca-file',
            pem('ca.crt'),
          ];
        case 'cluster-dns':
          return ['--kubeconfig', await kubeconfig('cluster-dns'), '--address', '127.111.128.10'];
        default:
          return ['--kubeconfig', await kubeconfig('kube-proxy'), '--hostname-override', 'one'];
      }
    };
    const started: Started[] = [];
    try {
      // The API server comes last: the others wait for it.
      for (const name of processes.toReversed()) {
        started.push(start(process.execPath, [mainOf(name), ...(await command(name))]));
      }
      const admin = await kubeconfig('admin');
      const ask = (...args: string[]): Promise<CommandResult> =>
        run(binary(kubectl, 'kubectl'), ['--kubeconfig', admin, ...args]);
      await eventually(
        () => ask('get', 'serviceaccount', 'default'),
        ({ code }) => code === 0,
      );
      expect((await ask('create', 'deployment', 'web', '--image=coxswain.dev/echo:v1', '--replicas=2')).code).toBe(0);
      const status = await ask('rollout', 'status', 'deployment/web', '--timeout=60s');
      expect(status, started.map((one) => one.stderr()).join('\n')).toMatchObject({ code: 0 });
      expect((await ask('logs', 'deployment/web')).code).toBe(0);
    } finally {
      for (const one of started.toReversed()) one.child.kill('SIGTERM');
      const ends = await Promise.all(started.map((one) => one.ended));
      rmSync(place, { recursive: true, force: true });
      expect(ends.map(({ code }) => code)).toEqual(processes.map(() => 0));
    }
  });
});

describe('two clusters on one machine', () => {
  let place: string;
  let kubeconfig: string;
  const names = ['one', 'two'] as const;
  const data = (name: string): string => join(place, 'clusters', name);
  const ask = (name: string, ...args: string[]): Promise<CommandResult> =>
    run(binary(kubectl, 'kubectl'), ['--kubeconfig', kubeconfig, '--context', `coxswain-${name}`, ...args]);

  beforeAll(() => {
    place = mkdtempSync(join(tmpdir(), 'coxswain-two-'));
    kubeconfig = join(place, 'config');
  });

  afterAll(async () => {
    for (const name of names) await coxswain('down', '--data-dir', data(name));
    rmSync(place, { recursive: true, force: true });
  }, hookMs);

  test('run the guestbook side by side without disturbing each other', async () => {
    mkdirSync(join(place, 'clusters'));
    // Both at the same moment, one of them as processes of their own.
    const ups = await Promise.all(
      names.map(async (name, index) => {
        const where = ['--name', name, '--data-dir', data(name), '--kubeconfig', kubeconfig];
        const port = ['--api-port', String(await freePort())];
        return coxswain('up', '--detach', ...where, ...port, ...(index === 1 ? ['--processes'] : []));
      }),
    );
    expect(ups.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(['', '']);
    const applied = await Promise.all(names.map((name) => ask(name, 'apply', '-f', 'manifests/guestbook.yaml')));
    expect(applied.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(['', '']);
    const rollouts = await Promise.all(
      names.map((name) => ask(name, 'rollout', 'status', 'deployment/guestbook', '--timeout=60s')),
    );
    expect(rollouts.map(({ code, stderr }) => (code === 0 ? '' : stderr))).toEqual(['', '']);

    const addresses = async (name: string): Promise<readonly string[]> => {
      const pods = await ask(name, 'get', 'pods', '-A', '-o', 'jsonpath={.items[*].status.podIP}');
      const services = await ask(name, 'get', 'services', '-A', '-o', 'jsonpath={.items[*].spec.clusterIP}');
      return [...pods.stdout.split(' '), ...services.stdout.split(' ')];
    };
    const [ones, twos] = [await addresses('one'), await addresses('two')];
    expect(ones.length).toBeGreaterThan(4);
    expect(ones.filter((address) => twos.includes(address))).toEqual([]);

    const urls = await Promise.all(
      names.map(async (name) => {
        const node = await ask(name, 'get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[0].address}');
        const port = await ask(name, 'get', 'service', 'guestbook', '-o', 'jsonpath={.spec.ports[0].nodePort}');
        return `http://${node.stdout}:${port.stdout}/messages`;
      }),
    );
    expect(urls[0]).not.toBe(urls[1]);
    const write = (url: string, body: string): Promise<boolean> =>
      fetch(url, { method: 'POST', body, headers: { connection: 'close' } }).then(
        ({ ok }) => ok,
        () => false,
      );
    for (const [index, name] of names.entries()) {
      await eventually(() => write(urls[index]!, `written to ${name}`), Boolean);
    }
    const read = async (url: string): Promise<string> =>
      (await fetch(url, { headers: { connection: 'close' } })).text();
    const messages = await Promise.all(urls.map(read));
    expect(messages[0]).toContain('written to one');
    expect(messages[0]).not.toContain('written to two');
    expect(messages[1]).toContain('written to two');
    expect(messages[1]).not.toContain('written to one');

    expect((await coxswain('down', '--data-dir', data('one'))).code).toBe(0);
    expect(await read(urls[1]!)).toContain('written to two');
    expect((await ask('two', 'get', 'nodes')).code).toBe(0);
    // The addresses belong to the cluster: it comes back with them while the other runs.
    const back = await coxswain('up', '--detach', '--data-dir', data('one'), '--kubeconfig', kubeconfig);
    expect(back).toMatchObject({ code: 0 });
    expect((await ask('one', 'rollout', 'status', 'deployment/guestbook', '--timeout=60s')).code).toBe(0);
    expect((await addresses('one')).filter((address) => twos.includes(address))).toEqual([]);
  });
});
