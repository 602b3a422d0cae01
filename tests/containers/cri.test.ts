/** The kubelet over a container runtime of another process: Debian's containerd. What is there of it is undone after. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { runtimeConformance } from '#pkg/kubelet/runtime/conformance.ts';
import type { ContainerConfig } from '#pkg/kubelet/runtime/container-config.ts';
import type { CriRuntime } from '#pkg/kubelet/runtime/cri/cri-runtime.ts';
import type { RuntimeContainer } from '#pkg/kubelet/runtime/runtime.ts';
import { makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { RunningCluster as Clusters, eventually, hookMs, type RunningCluster } from '#tests/e2e/running-cluster.ts';
import { noNetwork } from './kernel-network.ts';
import { noContainerd, OwnContainerd } from './own-containerd.ts';
import { hasWritten, runToEnd, script as scriptOf, start } from './real-containers.ts';

/** Longest wait for what comes by itself, on a slow machine. */
const patienceMs = 300_000;

const whereThereIs = noContainerd === undefined ? describe : describe.skip;

whereThereIs('the cri runtime', () => {
  let containerd: OwnContainerd;
  beforeAll(async () => {
    containerd = await OwnContainerd.start();
  });
  afterAll(async () => {
    const remains = containerd?.remains();
    await containerd?.remove();
    expect(remains).toEqual([]);
  });

  // The second differs in little, and takes as long.
  const networks: readonly (readonly [string, boolean])[] = [
    ['the network of the runtime', true],
    ...(process.env['COXSWAIN_TEST_LONG'] === '1' ? [['the network of the machine', false] as const] : []),
  ];
  describe.each(networks)('keeps the laws of runtimes on %s', (_, ownNetwork) => {
    let runtime: CriRuntime;
    beforeAll(async () => {
      runtime = await containerd.open('conformance', { ownNetwork });
    });
    afterAll(() => runtime?.close());
    const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
      await expect(promise).rejects.toMatchObject({ reason });
    };
    const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
    runtimeConformance({ test, equal, rejects }, async () => {
      const busybox = { image: containerd.image('busybox') };
      return {
        runtime,
        clock: new SystemClock(),
        settle: (promise) => promise,
        lasting: { ...busybox, command: ['sh', '-c', 'trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done'] },
        listens: (id) => hasWritten(runtime, id),
        exiting: (exitCode) => ({ ...busybox, command: ['sh', '-c', `exit ${exitCode}`] }),
        // The first process of a namespace gets no signal that it does not ask for.
        stubborn: { ...busybox, command: ['sleep', '1000'] },
        annotations: () => ({}),
        command: { argv: ['echo', 'hello'], stdout: 'hello\n' },
        close: async () => {
          for (const { id } of await runtime.sandboxes.list()) await runtime.sandboxes.remove(id);
        },
      };
    });
  });

  describe('a container of it', () => {
    let runtime: CriRuntime;
    const script = (text: string, fields: Partial<ContainerConfig> = {}): ContainerConfig =>
      scriptOf(text, { image: containerd.image('busybox'), ...fields });
    beforeAll(async () => {
      runtime = await containerd.open();
      await runtime.images.pull(containerd.image('busybox'), { annotations: {} });
    });
    afterEach(async () => {
      for (const { id } of await runtime.sandboxes.list()) await runtime.sandboxes.remove(id);
    });
    afterAll(() => runtime?.close());

    test('is made of an image that was pulled, and no name means one that is not there', async () => {
      const name = containerd.image('busybox');
      const found = await runtime.images.status(name);
      expect(found).toMatchObject({ repoTags: [name], id: expect.stringMatching(/^sha256:/) });
      expect(await runtime.images.status(found?.id ?? '')).toEqual(found);
      expect((await runtime.images.list()).map(({ id }) => id)).toContain(found?.id);
      const missing = name.replace('busybox', 'missing');
      expect(await runtime.images.status(missing)).toBeUndefined();
      await expect(runtime.images.pull(missing, { annotations: {} })).rejects.toMatchObject({
        reason: 'imageNotFound',
      });
    });

    test('keeps its image, as the sandbox does, and no other is kept once nothing is made of it', async () => {
      const { removal } = runtime.images;
      const name = containerd.image('busybox');
      const id = (await runtime.images.status(name))?.id ?? '';
      expect(existsSync((await removal?.disk?.()) ?? '')).toBe(true);
      const { sandboxId } = await start(runtime, script('exec sleep 1000'));
      const pause = (await runtime.images.status(containerd.image('pause')))?.id ?? '';
      expect(await removal?.inUse()).toEqual(new Set([id, pause]));
      await runtime.sandboxes.remove(sandboxId);
      expect(await removal?.inUse()).toEqual(new Set([pause]));
      expect(await removal?.remove(id)).toBeGreaterThan(0);
      expect([await runtime.images.status(name), await removal?.remove(id)]).toEqual([undefined, 0]);
      await runtime.images.pull(name, { annotations: {} });
    });

    test('is found by the kubelet that comes after, as it was left, and by no other', async () => {
      const config = script('exec sleep 1000', { labels: { app: 'x' }, resources: { memoryLimitBytes: 2 ** 26 } });
      const before = await containerd.open('lasting');
      const { id } = await start(before, config, { labels: { tier: 'web' }, annotations: { note: 'n' } });
      await before.containers.update(id, { memoryLimitBytes: 2 ** 27, cpuShares: 204 });
      const limit = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
      expect(await before.inspection.exec(id, { command: ['sh', '-c', limit] })).toMatchObject({
        stdout: `${2 ** 27}\n`,
      });
      const [sandboxes, containers] = [await before.sandboxes.list(), await before.containers.list()];
      expect([sandboxes.length, containers.length, containers[0]?.state]).toEqual([1, 1, 'running']);
      before.detach();
      await containerd.end();
      await containerd.run();
      const after = await containerd.open('lasting');
      expect([await after.sandboxes.list(), await after.containers.list()]).toEqual([sandboxes, containers]);
      expect([await runtime.sandboxes.list(), await runtime.containers.list()]).toEqual([[], []]);
      const exits: RuntimeContainer[] = [];
      after.onExit((container) => exits.push(container));
      await after.containers.stop(id, { graceMs: 0 });
      expect(exits).toMatchObject([{ id, exitCode: 137 }]);
      await after.close();
    });

    test('runs as whom its pod says, with no more rights than it is given', async () => {
      const rights = 'id -u; id -g; id -G; grep -E "^(CapBnd|NoNewPrivs|Seccomp):" /proc/self/status; touch /x';
      const security: ContainerConfig['security'] = {
        runAsUser: 33,
        supplementalGroups: [77],
        dropCapabilities: ['ALL'],
        noNewPrivileges: true,
        readOnlyRoot: true,
        seccomp: { type: 'runtimeDefault' },
      };
      const { lines } = await runToEnd(runtime, script(`exec 2>&1; ${rights}`, { security }));
      expect(lines.map((line) => line.split(/\s+/).join(' '))).toEqual([
        ...['33', '33', '33 50 77', 'CapBnd: 0000000000000000', 'NoNewPrivs: 1', 'Seccomp: 2'],
        'touch: /x: Read-only file system',
      ]);
      // A group alone needs the user that the image has.
      const group = await runToEnd(runtime, script('id -u; id -g', { security: { runAsGroup: 9 } }), {
        podUid: 'group',
      });
      expect(group.lines).toEqual(['0', '9']);
      const privileged = { security: { privileged: true }, name: 'free' };
      const free = await runToEnd(runtime, script('ls -d /dev/loop-control /dev/kmsg', privileged), {
        podUid: 'free',
        hasPrivileged: true,
      });
      expect(free.lines).toContain('/dev/kmsg');
    });

    test('has the name, the files and the names of its pod', async () => {
      const hostPath = join(containerd.folder, 'volumes/made');
      const mounts = [{ containerPath: '/data', hostPath, readOnly: false }];
      const dns = { servers: ['192.0.2.53'], searches: ['a.test'], options: ['ndots:5'] };
      const { lines } = await runToEnd(
        runtime,
        script('hostname; cat /etc/resolv.conf; echo kept >/data/file; ls /sys/class/net', { mounts }),
        { hostname: 'web-0', dns },
      );
      expect(lines).toEqual([
        ...['web-0', 'search a.test', 'nameserver 192.0.2.53', 'options ndots:5'],
        ...['eth0', 'lo'],
      ]);
      expect(readFileSync(join(hostPath, 'file'), 'utf8')).toBe('kept\n');
    });

    test('says how it ended', async () => {
      const big = script('tail -c 200000000 /dev/zero', { resources: { memoryLimitBytes: 16 * 2 ** 20 } });
      // containerd 1.6 hears of the end and of its cause by different ways, and does not wait for the second.
      const cause = expect.stringMatching(/^(OOMKilled|Error)$/);
      expect((await runToEnd(runtime, big)).status).toMatchObject({ exitCode: 137, reason: cause });
      const last = await runToEnd(runtime, script('echo farewell >/dev/termination-log; exit 7', { name: 'last' }), {
        podUid: 'last',
      });
      expect(last.status).toMatchObject({ exitCode: 7, reason: 'Error', message: 'farewell\n' });
      const { id: sandboxId } = await runtime.sandboxes.run(makeSandboxConfig({ podUid: 'missing' }));
      const id = await runtime.containers.create(sandboxId, script('', { command: ['/no/such/program'] }));
      await expect(runtime.containers.start(id)).rejects.toThrow(/no such file or directory/);
      expect(await runtime.containers.status(id)).toMatchObject({
        state: 'exited',
        exitCode: 128,
        reason: 'StartError',
      });
    });

    test('takes input of commands and gives it back whole, and has a terminal of the size that it is told', async () => {
      const { id } = await start(runtime, script('exec sleep 1000'));
      const streams = await runtime.streaming.exec(id, { command: ['md5sum'], stdin: true });
      const digest = createHash('md5');
      for (let piece = 0; piece < 16; piece++) {
        const bytes = Buffer.alloc(65_536, piece);
        digest.update(bytes);
        await streams.stdin?.write(bytes);
      }
      streams.stdin?.end();
      expect(await textOf(streams.stdout)).toBe(`${digest.digest('hex')}  -\n`);
      expect(await streams.exitCode).toBe(0);
      const terminal = await runtime.streaming.exec(id, { command: ['sh'], tty: true, stdin: true });
      terminal.resize({ columns: 91, rows: 17 });
      await terminal.stdin?.write(Buffer.from('until stty size | grep "17 91"; do sleep 0.05; done; exit 5\n'));
      expect(await textOf(terminal.stdout)).toContain('17 91');
      expect(await terminal.exitCode).toBe(5);
    });

    test('is attached to, with its input', async () => {
      const { id } = await start(runtime, script('while read line; do echo "heard $line"; done', { stdin: true }));
      const streams = await runtime.streaming.attach(id, { stdin: true });
      await streams.stdin?.write(Buffer.from('one\n'));
      for await (const bytes of streams.stdout) if (Buffer.from(bytes).toString().includes('heard one')) break;
      await runtime.containers.stop(id, { graceMs: 0 });
      expect(await streams.exitCode).toBe(137);
    });

    test('is reached at a port inside of its own network', async () => {
      const { id, sandboxId } = await start(runtime, script('while :; do echo answer | nc -l -p 8080; done'));
      const listens = 'until netstat -ltn | grep -q :8080; do sleep 0.05; done';
      await runtime.inspection.exec(id, { command: ['sh', '-c', listens] });
      const connection = await runtime.streaming.portForward(sandboxId, { port: 8080, addresses: [] });
      expect(await textOf(connection)).toBe('answer\n');
      connection.destroy();
    });

    test('is measured', async () => {
      const { id } = await start(runtime, script('exec sleep 1000'));
      const { memoryBytes, cpuNanoseconds } = await runtime.inspection.stats(id);
      expect([memoryBytes > 0, cpuNanoseconds > 0]).toEqual([true, true]);
    });
  });
});

whereThereIs('a cluster over a runtime of another process', () => {
  const name = `cri${process.pid}`;
  let containerd: OwnContainerd;
  let cluster: RunningCluster;
  beforeAll(async () => {
    containerd = await OwnContainerd.start();
    const flags = ['--name', name, '--processes', '--runtime', 'cri', '--cri-socket', containerd.socketPath];
    cluster = await Clusters.start({ flags });
  }, hookMs);
  afterAll(async () => {
    await cluster?.coxswain(['down', '--delete-data']);
    await cluster?.remove();
    const remains = containerd?.remains();
    await containerd?.remove();
    expect(remains).toEqual([]);
  }, hookMs);

  /** The kubelet's process, as the cluster tells of it. */
  const kubelet = async (): Promise<{ readonly pid: number; readonly health: string; readonly restarts: number }> => {
    const { processes } = JSON.parse((await cluster.coxswain(['status', '-o', 'json'])).stdout);
    return processes.find((one: { readonly name: string }) => one.name.startsWith('kubelet'));
  };

  test('runs pods with volumes in the order that they want, which outlive their kubelet and their runtime', async () => {
    const image = containerd.image('busybox');
    const volumeMounts = [{ name: 'work', mountPath: '/work' }];
    const shell = (name: string, text: string, more = {}) => ({
      name,
      image,
      command: ['sh', '-c', text],
      volumeMounts,
      ...more,
    });
    const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { word: 'hello\n' } };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'one' },
      spec: {
        initContainers: [
          shell('first', 'cp /settings/word /work/word', {
            volumeMounts: [...volumeMounts, { name: 'settings', mountPath: '/settings' }],
          }),
        ],
        containers: [shell('main', 'cat /work/word; exec sleep 1000', { resources: { limits: { memory: '64Mi' } } })],
        volumes: [
          { name: 'work', emptyDir: {} },
          { name: 'settings', configMap: { name: 'settings' } },
        ],
        terminationGracePeriodSeconds: 0,
      },
    };
    const list = { apiVersion: 'v1', kind: 'List', items: [settings, pod] };
    const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(list) });
    await kubectl('wait', '--for=condition=Ready', 'pod/one', '--timeout=300s');
    // It is ready when it runs, before it has said anything.
    await eventually(
      () => kubectl('logs', 'one'),
      (text) => text.trim() === 'hello',
      patienceMs,
    );
    expect((await kubectl('exec', 'one', '--', 'cat', '/work/word')).trim()).toBe('hello');
    const path = 'jsonpath={.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}';
    const before = await kubectl('get', 'pod', 'one', '-o', path);
    expect(before).toMatch(/^containerd:\/\/[0-9a-f]{64} 0$/);
    process.kill((await kubelet()).pid, 'SIGKILL');
    await eventually(kubelet, ({ health, restarts }) => health === 'healthy' && restarts === 1, patienceMs);
    // The new one answers for what the old one has started.
    const answers = () => cluster.tryKubectl('35', ['exec', 'one', '--', 'cat', '/work/word']);
    await eventually(answers, ({ stdout }) => stdout.trim() === 'hello', patienceMs);
    await containerd.end();
    expect((await answers()).code).not.toBe(0);
    await containerd.run();
    await eventually(answers, ({ stdout }) => stdout.trim() === 'hello', patienceMs);
    expect(await kubectl('get', 'pod', 'one', '-o', path)).toBe(before);
    const version = 'jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}';
    expect(await kubectl('get', 'nodes', '-o', version)).toMatch(/^containerd:\/\/\d/);
    await kubectl('delete', 'pod', 'one');
  }, 600_000);

  test('is refused in one line where no runtime answers', async () => {
    const socket = join(containerd.folder, 'none.sock');
    const { code, stderr } = await cluster.coxswain(['up', '--cri-socket', socket]);
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
    expect(stderr).toContain(`no container runtime answers at ${socket}`);
  });
});

const impossible = noContainerd ?? noNetwork;

describe.skipIf(impossible !== undefined)(
  'a cluster over a runtime of another process, on a network of its own',
  () => {
    const name = `crinet${process.pid}`;
    const nodes = [`${name}-node-1`, `${name}-node-2`];
    let containerd: OwnContainerd;
    let cluster: RunningCluster;
    const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('35', args);
    beforeAll(async () => {
      containerd = await OwnContainerd.start();
      const runtime = ['--runtime', 'cri', '--cri-socket', containerd.socketPath];
      cluster = await Clusters.start({ flags: ['--name', name, '--nodes', '2', '--network', 'bridge', ...runtime] });
    }, hookMs);
    afterAll(async () => {
      await cluster?.coxswain(['down', '--delete-data']);
      await cluster?.remove();
      const remains = containerd?.remains();
      await containerd?.remove();
      expect(remains).toEqual([]);
      expect(execFileSync('ip', ['netns'], { encoding: 'utf8' })).not.toContain(name);
    }, hookMs);

    const podOf = (podName: string, node: number, more: object = {}, script = 'exec sleep 100000') => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: podName, labels: { app: podName } },
      spec: {
        nodeName: nodes[node],
        containers: [{ name: 'main', image: containerd.image('busybox'), command: ['sh', '-c', script] }],
        terminationGracePeriodSeconds: 0,
        ...more,
      },
    });
    const create = (items: readonly object[]): Promise<string> => {
      const list = { apiVersion: 'v1', kind: 'List', items };
      return cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(list) });
    };
    /** What the client gets of a server; empty while it gets nothing. A static program may not look for names of services, as wget does. */
    const got = async (address: string, port: number): Promise<string> => {
      const request = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} ${port}`;
      const { stdout } = await cluster.tryKubectl('35', ['exec', 'client', '--', 'sh', '-c', request]);
      return stdout.trim().split('\n').at(-1) ?? '';
    };

    test('gives pods addresses of their nodes, and leads Services, names and policies to them', async () => {
      const serve = 'mkdir /srv; echo hello >/srv/index.html; exec httpd -f -p 8080 -h /srv';
      const service = {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
      };
      await create([service, podOf('web', 0, {}, serve), podOf('client', 1)]);
      await kubectl('wait', 'pod', '--all', '--for=condition=Ready', '--timeout=300s');
      const range = await kubectl('get', 'node', nodes[0] ?? '', '-o', 'jsonpath={.spec.podCIDR}');
      const address = await kubectl('get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}');
      expect(address.split('.').slice(0, 3)).toEqual(range.split('.').slice(0, 3));
      // It is the only address that the pod has.
      const own = await kubectl('exec', 'web', '--', 'ip', '-o', '-4', 'addr');
      expect([...own.matchAll(/inet ([0-9.]+)/g)].map(([, found]) => found)).toEqual(['127.0.0.1', address]);
      const virtual = await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}');
      // A static program finds no names by itself but for this one.
      const named = () =>
        cluster.tryKubectl('35', ['exec', 'client', '--', 'nslookup', 'web.default.svc.cluster.local']);
      await eventually(named, ({ stdout }) => stdout.includes(virtual), patienceMs);
      await eventually(
        () => got(virtual, 80),
        (text) => text === 'hello',
        patienceMs,
      );
      const denied = {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'none' },
        spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] },
      };
      await create([denied]);
      await eventually(
        () => got(address, 8080),
        (text) => text === '',
        patienceMs,
      );
      await kubectl('delete', 'networkpolicy', 'none');
      await eventually(
        () => got(virtual, 80),
        (text) => text === 'hello',
        patienceMs,
      );
    }, 600_000);

    test('runs pods by a handler of the runtime, and says so of what it cannot', async () => {
      const handlers = await kubectl('get', 'node', nodes[0] ?? '', '-o', 'jsonpath={.status.runtimeHandlers[*].name}');
      expect(handlers.split(' ')).toEqual(expect.arrayContaining(['cri', 'runc']));
      const classOf = (handler: string) => ({
        apiVersion: 'node.k8s.io/v1',
        kind: 'RuntimeClass',
        metadata: { name: `by-${handler}` },
        handler,
      });
      await create([classOf('runc'), classOf('missing')]);
      await create([
        podOf('by-runc', 0, { runtimeClassName: 'by-runc' }),
        podOf('by-missing', 0, { runtimeClassName: 'by-missing' }),
        podOf('on-node', 0, { hostNetwork: true }),
      ]);
      await kubectl('wait', 'pod/by-runc', '--for=condition=Ready', '--timeout=300s');
      const reason = (podName: string, path: string) => () =>
        kubectl('get', 'pod', podName, '-o', `jsonpath={${path}}`);
      const failed = 'reason=FailedCreatePodSandBox,involvedObject.name=by-missing';
      await eventually(
        () => kubectl('get', 'events', '--field-selector', failed, '-o', 'jsonpath={.items[*].message}'),
        (text) => text.includes('no runtime for "missing" is configured'),
        patienceMs,
      );
      const waiting = reason('on-node', '.status.containerStatuses[0].state.waiting.message');
      await eventually(waiting, (text) => text === 'the containerd runtime does not support hostNetwork', patienceMs);
      await kubectl('delete', 'pod', '--all', '--timeout=300s');
    }, 600_000);
  },
);

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of chunks) text += Buffer.from(bytes).toString();
  return text;
}
