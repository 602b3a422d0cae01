/**
 * A machine joins a cluster of another one, each in a network namespace of its own with a link between them: by a token and the hash of the authority, with
 * certificates that it asks for. Its pods reach the others and are reached, and when it has left nothing of the cluster is there.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary } from '#tests/e2e/kubectl-binary.ts';
import { type CommandResult, eventually, freePort, hookMs, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noBusybox, writeBusyboxArchive } from './busybox-image.ts';
import { noNetwork } from './kernel-network.ts';
import { noContainers } from './real-containers.ts';

const impossible = noContainers ?? noNetwork ?? noBusybox;
if (impossible !== undefined) console.log(`skipped: machines that join: ${impossible}`);

const name = `join${process.pid}`;
const machines = ['a', 'b'].map((letter) => `${name}-${letter}`);
const addresses = ['192.0.2.1', '192.0.2.2'];
const main = join(root, 'cmd/coxswain/main.ts');

describe.skipIf(impossible !== undefined)('a machine that joins', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-join-'));
  const joined = join(folder, 'joined');
  const kubeconfig = join(folder, 'kubeconfig');
  const env = { HOME: folder, COXSWAIN_HOME: folder, KUBECONFIG: kubeconfig };
  const lines: string[] = [];
  let node: ChildProcess | undefined;
  let ended: Promise<unknown> = Promise.resolve();
  let joining: readonly string[] = [];

  const on = (index: number, command: readonly string[]): readonly string[] => [
    'nsenter',
    `--net=/run/netns/${machines[index]}`,
    '--',
    ...command,
  ];
  const runOn = (index: number, command: readonly string[], input?: string): Promise<CommandResult> => {
    const [program = '', ...args] = on(index, command);
    return run(program, args, { env, timeoutMs: hookMs, ...(input === undefined ? {} : { input }) });
  };
  const ok = async (result: Promise<CommandResult>): Promise<string> => {
    const { code, stdout, stderr } = await result;
    if (code !== 0) throw new Error(`exit ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  const coxswain = (index: number, ...args: readonly string[]): Promise<CommandResult> =>
    runOn(index, [process.execPath, main, ...args]);
  const kubectl = (...args: readonly string[]): Promise<string> => ok(runOn(0, [binary('35', 'kubectl'), ...args]));
  const remains = (): string =>
    ['ip -o link', 'ip route', 'nft list tables']
      .map((command) => execFileSync('nsenter', [`--net=/run/netns/${machines[1]}`, '--', ...command.split(' ')]))
      .join('\n');

  function startNode(...args: readonly string[]): void {
    const [program = '', ...rest] = on(1, [process.execPath, main, 'join', ...args, '--data-dir', joined]);
    node = spawn(program, rest, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    ended = once(node, 'exit');
    for (const stream of [node.stdout, node.stderr])
      if (stream !== null) createInterface(stream).on('line', (line) => lines.push(line));
  }
  async function stopNode(): Promise<void> {
    node?.kill('SIGTERM');
    await ended;
    node = undefined;
  }
  const said = (pattern: RegExp): Promise<string> =>
    eventually(
      async () => lines.find((line) => pattern.test(line)) ?? '',
      (line) => line !== '',
      hookMs,
    );

  const nodeReady = (): Promise<unknown> => {
    const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}';
    const asked = [binary('35', 'kubectl'), 'get', 'node', `${name}-far`, '-o', path];
    return eventually(
      () => runOn(0, asked),
      ({ stdout }) => stdout === 'True',
      hookMs,
    );
  };

  beforeAll(async () => {
    for (const machine of machines) execFileSync('ip', ['netns', 'add', machine]);
    const [a = '', b = ''] = machines;
    execFileSync('ip', ['link', 'add', 'wire', 'netns', a, 'type', 'veth', 'peer', 'name', 'wire', 'netns', b]);
    for (const [index, machine] of machines.entries())
      for (const command of ['link set lo up', `addr add ${addresses[index]}/24 dev wire`, 'link set wire up'])
        execFileSync('ip', ['-n', machine, ...command.split(' ')]);
    const made = ['--name', name, '--nodes', '1', '--network', 'bridge', '--runtime', 'container'];
    const port = String(await freePort());
    await ok(coxswain(0, 'up', '--detach', ...made, '--api-port', port, '--kubeconfig', kubeconfig, '--wait', '100s'));
    const archive = join(folder, 'busybox.tar');
    writeBusyboxArchive(archive, 'busybox:1');
    await ok(coxswain(0, 'image', 'load', archive, '--name', name));
    await ok(coxswain(0, 'image', 'load', archive, '--data-dir', joined));
  }, hookMs * 2);

  afterAll(async () => {
    await stopNode();
    await coxswain(1, 'leave', '--data-dir', joined);
    await coxswain(0, 'down', '--name', name, '--delete-data');
    for (const machine of machines) spawnSync('ip', ['netns', 'delete', machine]);
    rmSync(folder, { recursive: true, force: true });
  }, hookMs);

  test('by a token and the hash of the authority alone, neither of which may be another', async () => {
    const made = JSON.parse(await ok(coxswain(0, 'token', 'create', '--name', name, '-o', 'json')));
    const hash = ['--discovery-token-ca-cert-hash', made.discoveryTokenCaCertHash];
    const place = [
      made.address,
      '--via',
      addresses[0] ?? '',
      '--node-name',
      `${name}-far`,
      '--node-ip',
      addresses[1] ?? '',
    ];
    joining = [...place, '--token', made.token, ...hash];
    // The signer takes a moment.
    await eventually(
      () => kubectl('-n', 'kube-public', 'get', 'configmap', 'cluster-info', '-o', 'jsonpath={.data}'),
      (data) => data.includes(`jws-kubeconfig-${made.token.slice(0, 6)}`),
    );
    const attempt = (...args: readonly string[]): Promise<CommandResult> =>
      coxswain(1, 'join', ...place, ...args, '--data-dir', join(folder, 'refused'));
    const otherHash = ['--discovery-token-ca-cert-hash', `sha256:${'0'.repeat(64)}`];
    expect(await attempt('--token', made.token, ...otherHash)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^coxswain: Cannot trust https:.* as its authority is sha256:/),
    });
    const otherToken = `${made.token.slice(0, 7)}${'0'.repeat(16)}`;
    expect(await attempt('--token', otherToken, ...hash)).toMatchObject({
      code: 1,
      stderr: 'coxswain: Cannot trust cluster-info as its signature is not that of the token\n',
    });
    expect(await ok(coxswain(0, 'token', 'list', '--name', name))).toContain(made.token);
    startNode(...joining);
    await said(/^This machine is the node/);
    await nodeReady();
    await ok(coxswain(0, 'token', 'delete', made.token, '--name', name));
    const late = await coxswain(1, 'join', ...joining, '--data-dir', join(folder, 'late'));
    expect(late.stderr).toMatch(/^coxswain: Cannot trust cluster-info as the token \w{6} has not signed it/);
  });

  test('its pods and those of the cluster reach each other, through Services too, and its logs are there once they were allowed', async () => {
    const request = /approve (\S+)"/.exec(await said(/kubectl certificate approve/))?.[1] ?? '';
    await kubectl('certificate', 'approve', request);
    const script = 'mkdir /www; hostname > /www/index.html; echo started; exec httpd -f -p 8080 -h /www';
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'web',
            image: 'busybox:1',
            imagePullPolicy: 'Never',
            command: ['sh', '-c', script.replace('hostname', 'busybox hostname').replace('httpd', 'busybox httpd')],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    };
    const selector = { app: 'web' };
    const metadata = { name: 'web' };
    const items = [
      { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: { selector: { matchLabels: selector }, template } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { type: 'NodePort', selector, ports: [{ port: 80, targetPort: 8080 }] },
      },
    ];
    await ok(
      runOn(
        0,
        [binary('35', 'kubectl'), 'apply', '-f', '-'],
        JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
      ),
    );
    await kubectl('rollout', 'status', 'daemonset/web', '--timeout=120s');
    const rows = (
      await kubectl(
        'get',
        'pods',
        '-l',
        'app=web',
        '-o',
        'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{"\\n"}{end}',
      )
    )
      .trim()
      .split('\n')
      .map((row) => row.split(' '));
    expect(rows.map(([, place]) => place).toSorted()).toEqual([`${name}-far`, `${name}-node-1`]);
    const service = await kubectl(
      'get',
      'service',
      'web',
      '-o',
      'jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort}',
    );
    const [clusterIp = '', nodePort = ''] = service.split(' ');
    const names = rows.map(([pod = '']) => pod);
    for (const [pod = ''] of rows) {
      // The kubelet's certificate takes a moment.
      await eventually(
        () => runOn(0, [binary('35', 'kubectl'), 'logs', pod]),
        ({ stdout }) => stdout === 'started\n',
      );
      for (const [other, , ip] of rows)
        expect((await kubectl('exec', pod, '--', 'wget', '-qO-', `http://${ip}:8080/`)).trim()).toBe(other);
      const seen = new Set<string>();
      await eventually(
        async () => seen.add((await kubectl('exec', pod, '--', 'wget', '-qO-', `http://${clusterIp}/`)).trim()),
        ({ size }) => size === 2,
      );
      expect([...seen].toSorted()).toEqual(names.toSorted());
      expect(await kubectl('exec', pod, '--', 'busybox', 'nslookup', 'web.default.svc.cluster.local')).toContain(
        clusterIp,
      );
    }
    const answer = await ok(runOn(0, ['busybox', 'wget', '-qO-', `http://${addresses[1]}:${nodePort}/`]));
    expect(names).toContain(answer.trim());
  });

  test('it comes back without a token, its containers run on, and when it leaves nothing is left of the cluster', async () => {
    const started = await kubectl(
      'get',
      'pods',
      '-l',
      'app=web',
      '-o',
      'jsonpath={.items[*].status.containerStatuses[0].containerID}',
    );
    await stopNode();
    lines.length = 0;
    expect((await coxswain(1, 'leave', '--data-dir', join(folder, 'late'))).stderr).toMatch(/joined no cluster/);
    startNode();
    await said(/^This machine is the node/);
    expect((await coxswain(1, 'leave', '--data-dir', joined)).stderr).toMatch(
      /^coxswain: Cannot leave while process \d+ runs/,
    );
    await nodeReady();
    expect(
      await kubectl(
        'get',
        'pods',
        '-l',
        'app=web',
        '-o',
        'jsonpath={.items[*].status.containerStatuses[0].containerID}',
      ),
    ).toBe(started);
    await stopNode();
    expect(await ok(coxswain(1, 'leave', '--data-dir', joined))).toContain('Nothing of the cluster is left');
    expect(remains()).not.toMatch(/coxswain|: (cx|p)[0-9a-f]{12}@?|proto 199/);
    await kubectl('delete', 'node', `${name}-far`);
    await eventually(
      async () => execFileSync('ip', ['-n', machines[0] ?? '', 'route']).toString(),
      (text) => !text.includes(`via ${addresses[1]}`),
    );
  });
});
