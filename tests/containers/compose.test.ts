/**
 * The cluster of `deploy/docker-compose.yml`, built and started as a person does it, with the guestbook in real containers of images of Debian's packages: its workers
 * are machines of their own; whichever of its containers is killed, the guestbook goes on answering and what was acknowledged stays; `down` keeps the data, and with `--volumes`
 * leaves nothing.
 */
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary } from '#tests/e2e/kubectl-binary.ts';
import { type CommandResult, eventually, freePort, run } from '#tests/e2e/running-cluster.ts';
import { unpackGuestbook } from './debian-images.ts';
import { baseImage, engine, engineEnv, imagesMs, noEngine } from './engine.ts';

/** For one thing to be as it should again, on a slow machine: nodes that are silent are given up after 40 s. */
const patienceMs = 300_000;

describe.skipIf(noEngine !== undefined)('docker-compose up', () => {
  const project = `coxswain-test-${process.pid}`;
  const image = `${project}:latest`;
  /** What stands for images of Docker Hub. */
  const images = { redis: `${project}-redis:1`, python: `${project}-python:1` };
  const workers = ['worker-1', 'worker-2', 'worker-3'];
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-compose-'));
  const manifest = join(folder, 'guestbook.yaml');
  const kubeconfig = join(folder, 'kubeconfig');
  let env: Readonly<Record<string, string>>;
  let guestbookUrl: string;

  beforeAll(async () => {
    const [apiPort, guestbookPort] = [await freePort(), await freePort()];
    guestbookUrl = `http://127.0.0.1:${guestbookPort}`;
    const base = await baseImage();
    env = {
      ...engineEnv,
      COMPOSE_PROJECT_NAME: project,
      COXSWAIN_IMAGE: image,
      BASE: base,
      ETCD_IMAGE: base,
      HAPROXY_IMAGE: base,
      API_PORT: String(apiPort),
      GUESTBOOK_PORT: String(guestbookPort),
    };
    await compose('build', '--quiet');
    await unpackGuestbook(folder);
    for (const [target, name] of Object.entries(images))
      await engine('docker', ['build', '--quiet', '--target', target, '--tag', name, join(folder, 'guestbook')]);
    const text = readFileSync('deploy/compose/guestbook.yaml', 'utf8');
    writeFileSync(manifest, text.replace('redis:7', images.redis).replace('python:3-slim', images.python));
  }, imagesMs);

  afterAll(async () => {
    await run('docker-compose', composeArgs('down', '--volumes', '--timeout', '5'), { env, timeoutMs: patienceMs });
    await run('docker', ['image', 'rm', '--force', image, ...Object.values(images)]);
    rmSync(folder, { recursive: true, force: true });
  }, imagesMs);

  const composeArgs = (...args: readonly string[]): readonly string[] => [
    '--file',
    'deploy/docker-compose.yml',
    ...args,
  ];
  const compose = (...args: readonly string[]): Promise<string> => engine('docker-compose', composeArgs(...args), env);
  const tryKubectl = (...args: readonly string[]): Promise<CommandResult> =>
    run(binary('35', 'kubectl'), ['--request-timeout=10s', ...args], { env: { KUBECONFIG: kubeconfig, HOME: folder } });

  /** Whether a create that was tried before has been done: its answer was lost with the server. */
  const isThere = ([verb]: readonly string[], stderr: string): boolean =>
    verb === 'create' && stderr.includes('(AlreadyExists)');

  /** Runs kubectl until it succeeds, as a person does who is told to try again. */
  async function kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await eventually(
      () => tryKubectl(...args),
      ({ code, stderr }) => code === 0 || isThere(args, stderr),
      patienceMs,
    );
    return stdout;
  }

  /** Gives a worker the images that the engine has. */
  function giveImages(worker: string): Promise<string> {
    const load = `exec -T ${worker} node cmd/coxswain/main.ts image load --data-dir /data -`;
    const pipe = `docker save ${Object.values(images).join(' ')} | docker-compose ${composeArgs().join(' ')} ${load}`;
    return engine('sh', ['-c', pipe], env);
  }

  async function messages(): Promise<string> {
    try {
      const options = { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) };
      const answer = await fetch(`${guestbookUrl}/messages`, options);
      return answer.ok ? await answer.text() : '';
    } catch {
      return '';
    }
  }

  async function write(message: string): Promise<void> {
    await eventually(
      () =>
        fetch(`${guestbookUrl}/messages`, { method: 'POST', body: message, signal: AbortSignal.timeout(10_000) }).then(
          ({ ok }) => ok,
          () => false,
        ),
      (ok) => ok,
      patienceMs,
    );
    await eventually(messages, (text) => text.includes(message), patienceMs);
  }

  /** Asks the guestbook again and again while `during` goes on; gives how many answers came, and how many did not. */
  async function asking(during: () => Promise<void>): Promise<{ readonly answered: number; readonly failed: number }> {
    const counts = { answered: 0, failed: 0 };
    let goesOn = true;
    const loop = (async () => {
      while (goesOn) counts[(await messages()) === '' ? 'failed' : 'answered']++;
    })();
    try {
      await during();
    } finally {
      goesOn = false;
      await loop;
    }
    return counts;
  }

  async function nodeOf(selector: string): Promise<string> {
    return kubectl('get', 'pods', '-l', selector, '-o', 'jsonpath={.items[0].spec.nodeName}');
  }

  test('brings the guestbook up', { timeout: imagesMs }, async () => {
    const begin = performance.now();
    await compose('up', '-d');
    await Promise.all(workers.map(giveImages));
    writeFileSync(kubeconfig, await compose('exec', '-T', 'apiserver-1', 'cat', '/keys/admin.kubeconfig'));
    await kubectl('apply', '-f', manifest);
    await write('hello from outside');
    console.log(`compose: the guestbook answers ${((performance.now() - begin) / 1000).toFixed(1)} s after up began`);
    const nodes = await kubectl('get', 'nodes', '-o', 'name');
    expect(nodes.trim().split('\n').toSorted()).toEqual(workers.map((worker) => `node/${worker}`));
    const servers = await eventually(
      () => kubectl('get', 'endpoints', 'kubernetes', '-o', 'jsonpath={.subsets[*].addresses[*].ip}'),
      (text) => text.trim().split(' ').length === 2,
      patienceMs,
    );
    expect(servers.trim().split(' ')).toHaveLength(2);
    // On a node each, so that there is always one that lives.
    const rule = { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'DoNotSchedule' };
    const constraint = {
      ...rule,
      labelSelector: { matchLabels: { tier: 'frontend' } },
      matchLabelKeys: ['pod-template-hash'],
    };
    const patch = { spec: { template: { spec: { topologySpreadConstraints: [constraint] } } } };
    await kubectl('patch', 'deployment', 'guestbook', '--type=merge', '--patch', JSON.stringify(patch));
    await kubectl('rollout', 'status', 'deployment/guestbook', '--timeout=60s', '--request-timeout=0');
  });

  test('each worker has a network of its own, and pods of one reach those of the others by addresses, Services and names', {
    timeout: imagesMs,
  }, async () => {
    const namespaces = new Set([readlinkSync('/proc/self/ns/net')]);
    for (const worker of workers) namespaces.add(await compose('exec', '-T', worker, 'readlink', '/proc/self/ns/net'));
    expect(namespaces.size).toBe(4);
    const path = '{range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{"\\n"}{end}';
    const listed = await eventually(
      () => kubectl('get', 'pods', '-l', 'tier=frontend', '-o', `jsonpath=${path}`),
      (text) => text.trim().split('\n').length === 3,
      patienceMs,
    );
    const rows = listed.split('\n').map((row) => row.split(' '));
    const pods = rows.flatMap(([name = '', node, address]) => (address === undefined ? [] : [{ name, node, address }]));
    expect(pods.map(({ node }) => node).toSorted()).toEqual(workers);
    // Each worker's pods are of a range of their own.
    expect(new Set(pods.map(({ address }) => address.replace(/\d+$/, ''))).size).toBe(3);
    for (const { name } of pods) {
      const urls = [...pods.map(({ address }) => address), 'guestbook', 'guestbook.default.svc.cluster.local'];
      const script = `import urllib.request as r\nfor one in ${JSON.stringify(urls)}: print(r.urlopen(f'http://{one}:8080/').readline().decode().split()[-1])`;
      const answers = (await kubectl('exec', name, '--', 'python3', '-c', script)).trim().split('\n');
      const names = pods.map((pod) => pod.name);
      expect(answers.slice(0, 3)).toEqual(names);
      for (const other of answers.slice(3)) expect(names).toContain(other);
    }
    expect(await kubectl('logs', 'deployment/kv')).toContain('Ready to accept connections');
  });

  test('a worker whose kubelet is killed goes on with its pods, and the next kubelet finds them', {
    timeout: imagesMs,
  }, async () => {
    const status = '{.items[0].status.containerStatuses[0]';
    const store = ['get', 'pods', '-l', 'tier=store', '-o', `jsonpath=${status}.containerID} ${status}.restartCount}`];
    const before = await kubectl(...store);
    expect(before).toMatch(/ 0$/);
    const worker = await nodeOf('tier=store');
    const isKubelet = 'case "$(tr "\\0" " " <$p/cmdline)" in *cmd/[k]ubelet/main.ts*)';
    const killIt = `for p in /proc/[0-9]*; do ${isKubelet} kill -9 "\${p#/proc/}";; esac; done`;
    const counts = await asking(async () => {
      await compose('exec', '-T', worker, 'sh', '-c', killIt);
      // Of the next one: it answers at another port.
      await kubectl('logs', 'deployment/kv');
      await write('without a kubelet');
    });
    console.log(`compose: without the kubelet of ${worker}: ${counts.answered} answers, ${counts.failed} failures`);
    expect(await kubectl(...store)).toBe(before);
  });

  /** The container that leads: of a component by its Lease, of etcd by what its members say. */
  async function leaderOf(component: string): Promise<string> {
    const holder = ['-n', 'kube-system', 'get', 'lease', component, '-o', 'jsonpath={.spec.holderIdentity}'];
    const identity = await eventually(
      () => kubectl(...holder),
      (text) => text !== '',
      patienceMs,
    );
    const name = component.replace('kube-', '');
    for (const service of [`${name}-1`, `${name}-2`]) {
      const id = (await compose('ps', '-q', service)).trim();
      if (identity.startsWith(id.slice(0, 12))) return service;
    }
    throw new Error(`Cannot find the container of ${identity}`);
  }

  async function etcdLeader(): Promise<string> {
    const keys = ['--cacert=/keys/ca.crt', '--cert=/keys/etcd-1.crt', '--key=/keys/etcd-1.key'];
    for (const member of ['etcd-1', 'etcd-2', 'etcd-3']) {
      const status = [
        'etcdctl',
        ...keys,
        `--endpoints=https://${member}:2379`,
        'endpoint',
        'status',
        '--write-out=json',
      ];
      const text = await compose('exec', '-T', '-e', 'ETCDCTL_API=3', 'etcd-1', ...status);
      const [own, leader] = ['member_id', 'leader'].map((field) => new RegExp(`"${field}":(\\d+)`).exec(text)?.[1]);
      if (own !== undefined && own === leader) return member;
    }
    throw new Error('Cannot find a leader of etcd');
  }

  /** The node of a front end whose end leaves the store alone. */
  async function frontEndNode(): Promise<string> {
    const store = await nodeOf('tier=store');
    const nodes = await kubectl('get', 'pods', '-l', 'tier=frontend', '-o', 'jsonpath={.items[*].spec.nodeName}');
    const node = nodes.split(' ').find((each) => each !== store);
    if (node === undefined) throw new Error(`Cannot find a front end elsewhere than on ${store}: ${nodes}`);
    return node;
  }

  test.each<[string, () => Promise<readonly string[]>]>([
    ['the leader of etcd', async () => [await etcdLeader()]],
    ['the first API server', async () => ['apiserver-1']],
    ['the second API server', async () => ['apiserver-2']],
    ['the leader of the schedulers', async () => [await leaderOf('kube-scheduler')]],
    ['the leader of the controller managers', async () => [await leaderOf('kube-controller-manager')]],
    ['a worker with a front end', async () => [await frontEndNode()]],
  ])(
    'without %s the guestbook goes on answering and the cluster goes on working',
    { timeout: imagesMs },
    async (what, find) => {
      const victims = await find();
      const marker = `without-${victims[0]}`;
      const lost = victims.filter((each) => workers.includes(each));
      // Until a node counts as lost, the scheduler may well choose it.
      for (const worker of lost) await kubectl('cordon', worker);
      const counts = await asking(async () => {
        await compose('kill', '-s', 'SIGKILL', ...victims);
        await write(marker);
        await kubectl('create', 'configmap', marker);
        // Through the controllers, the scheduler and a kubelet that live.
        await kubectl('create', 'deployment', marker, `--image=${images.redis}`, '--replicas=2');
        await kubectl('rollout', 'status', `deployment/${marker}`, '--timeout=120s', '--request-timeout=0');
      });
      console.log(
        `compose: without ${what} (${victims.join(', ')}): ${counts.answered} answers, ${counts.failed} failures`,
      );
      expect(counts.answered).toBeGreaterThan(0);
      await compose('start', ...victims);
      for (const worker of lost) await kubectl('uncordon', worker);
      await kubectl('delete', 'deployment', marker, '--ignore-not-found');
      await kubectl('wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=120s', '--request-timeout=0');
      const kept = await kubectl('get', 'configmap', marker, '-o', 'name');
      expect(kept).toBe(`configmap/${marker}\n`);
    },
  );

  test('down keeps the data, and up brings the same cluster back', { timeout: imagesMs }, async () => {
    const uid = await kubectl('get', 'deployment', 'guestbook', '-o', 'jsonpath={.metadata.uid}');
    await compose('down', '--timeout', '10');
    await compose('up', '-d');
    expect(await kubectl('get', 'deployment', 'guestbook', '-o', 'jsonpath={.metadata.uid}')).toBe(uid);
    await write('after down and up');
  });

  test('down --volumes leaves nothing', { timeout: imagesMs }, async () => {
    await compose('down', '--volumes', '--timeout', '10');
    const label = ['--filter', `label=com.docker.compose.project=${project}`, '--quiet'];
    const left = [
      await engine('docker', ['ps', '--all', ...label]),
      await engine('docker', ['volume', 'ls', ...label]),
      await engine('docker', ['network', 'ls', ...label]),
    ];
    expect(left).toEqual(['', '', '']);
  });
});
