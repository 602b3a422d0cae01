/** Commands in containers, their files, ports and terminals, by an old and a new kubectl, with all of a cluster in one process and in several. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { binary, type KubectlVersion, kubectlVersions } from './kubectl-binary.ts';
import { atTerminal, eventually, freePort, hookMs, RunningCluster, run } from './running-cluster.ts';

const manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    terminationGracePeriodSeconds: 1,
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: 'main',
        image: 'coxswain.dev/echo',
        ports: [{ containerPort: 8080 }],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
      },
    ],
  },
};

/** Ends a command that may have ended by itself. */
async function ended(child: ChildProcess): Promise<void> {
  const isOver = child.exitCode !== null || child.signalCode !== null;
  child.kill();
  if (!isOver) await new Promise((resolve) => child.once('exit', resolve));
}

describe.each([
  ['one process', []],
  ['several processes', ['--processes']],
] as const)('a cluster of %s', (_name, flags) => {
  let cluster: RunningCluster;

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags });
    await cluster.kubectl('35', ['apply', '-f', '-'], { input: JSON.stringify(manifest) });
    await cluster.kubectl('35', ['wait', '--for=condition=Ready', 'pod/web', '--timeout=60s']);
  }, hookMs);

  afterAll(() => cluster?.remove(), hookMs);

  const exec = (version: KubectlVersion, args: readonly string[], input?: string, env: Record<string, string> = {}) =>
    cluster.tryKubectl(version, ['exec', '-c', 'main', ...args], { env, ...(input === undefined ? {} : { input }) });

  describe.each(kubectlVersions)('kubectl 1.%s', (version) => {
    test.each([
      ['WebSockets', {}],
      ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }],
    ])('exec over %s: output, input, exit codes and errors', async (_protocol, env) => {
      const both = await exec(version, ['web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'], undefined, env);
      expect(both).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 3\n' });
      const typed = await exec(
        version,
        ['-i', 'web', '--', 'sh', '-c', 'read line; echo "<$line>"; wc -c'],
        'one\ntwo\n',
        env,
      );
      expect([typed.code, typed.stdout]).toEqual([0, '<one>\n4\n']);
      const missing = await exec(version, ['web', '--', 'nonesuch'], undefined, env);
      expect(missing.code).toBe(1);
      expect(missing.stderr).toContain('exec: "nonesuch": executable file not found in $PATH');
      const long = await exec(version, ['web', '--', 'sh', '-c', 'yes 0123456789 | head -n 100000'], undefined, env);
      expect(long.stdout.length).toBe(1_100_000);
    });

    test('a terminal shows what is typed and what the shell says', async () => {
      const env = cluster.env();
      const { code, stdout } = await atTerminal(
        [binary(version, 'kubectl'), 'exec', '-it', '-c', 'main', 'web', '--', 'sh'],
        'tty; cd /data; pwd\nexit 5\n',
        env,
      );
      expect(code).toBe(5);
      expect(stdout).toContain('/dev/pts/0\r\n/data\r\n/data # ');
      expect(stdout).toContain('command terminated with exit code 5');
    });

    test('files and folders are copied both ways, and no archive leads out of where it belongs', async () => {
      const folder = join(cluster.dataDir, `copies-${version}`);
      mkdirSync(join(folder, 'tree/deep'), { recursive: true });
      const big = 'x'.repeat(3_000_000);
      writeFileSync(join(folder, 'tree/deep/big'), big);
      writeFileSync(join(folder, 'tree/small'), 'small\n');
      await cluster.kubectl(version, ['cp', '-c', 'main', join(folder, 'tree'), `web:/data/tree-${version}`]);
      expect(
        (
          await exec(version, [
            'web',
            '--',
            'sh',
            '-c',
            `find /data/tree-${version} -type f | sort | xargs wc -c | tail -n 1`,
          ])
        ).stdout,
      ).toContain('3000006');
      await cluster.kubectl(version, ['cp', '-c', 'main', `web:/data/tree-${version}`, join(folder, 'back')]);
      expect(readFileSync(join(folder, 'back/deep/big'), 'utf8') === big).toBe(true);
      await cluster.tryKubectl(version, ['cp', '-c', 'main', 'web:/data/none', join(folder, 'none')]);
      expect((await run('ls', [folder])).stdout).not.toContain('none');
      // What is written through a link stays in the container.
      await exec(version, ['web', '--', 'sh', '-c', `ln -sf ${folder} /data/way`]);
      const through = await cluster.tryKubectl(version, [
        'cp',
        '-c',
        'main',
        join(folder, 'tree/small'),
        'web:/data/way/planted',
      ]);
      expect(through.stderr).not.toContain('panic');
      expect((await run('ls', [folder])).stdout).not.toContain('planted');
      const up = await cluster.tryKubectl(version, [
        'cp',
        '-c',
        'main',
        join(folder, 'tree/small'),
        'web:/data/../../../../../../planted',
      ]);
      expect(up.code).toBe(0);
      expect((await exec(version, ['web', '--', 'cat', '/planted'])).stdout).toBe('small\n');
    });

    test.each([
      ['WebSockets', {}],
      ['SPDY', { KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
    ])('port-forward over %s carries many connections, and says what cannot be reached', async (_protocol, env) => {
      const port = await freePort();
      const child = spawn(
        binary(version, 'kubectl'),
        ['port-forward', 'pod/web', `${port}:8080`, `${await freePort()}:1`],
        {
          env: { ...process.env, ...cluster.env(), ...env },
        },
      );
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (said += text));
      try {
        await eventually(
          async () => said,
          (text) => text.includes(`127.0.0.1:${port} -> 8080`),
        );
        const answers = await Promise.all(
          Array.from({ length: 20 }, async (_, index) =>
            (await fetch(`http://127.0.0.1:${port}/n${index}`, { headers: { connection: 'close' } })).text(),
          ),
        );
        expect(answers.every((text, index) => text.includes(`GET /n${index}\n`))).toBe(true);
      } finally {
        await ended(child);
      }
    });

    test('attach follows the program and feeds one that reads', async () => {
      const name = `reader-${version}`;
      const command = [
        'run',
        name,
        '-i',
        '--rm',
        '--restart=Never',
        '--image=coxswain.dev/pause',
        '--command',
        '--',
        'sh',
      ];
      const { code, stdout } = await cluster.tryKubectl(version, command, { input: 'echo "I am $HOSTNAME"; exit 0\n' });
      expect([code, stdout.includes(`I am ${name}`)]).toEqual([0, true]);
    });

    test('debug adds a container with a shell beside the others', async () => {
      const command = [binary(version, 'kubectl'), 'debug', '-it', 'web', '--image=coxswain.dev/pause', '--', 'sh'];
      const { stdout } = await atTerminal(command, 'wget -qO- http://localhost:8080/seen\nexit\n', cluster.env());
      expect(stdout).toContain('GET /seen');
    });
  });

  test('kubectl proxy and the proxies of the API lead to pods, services and nodes', async () => {
    await cluster.kubectl('35', ['expose', 'pod', 'web', '--port=80', '--target-port=8080']);
    const raw = (path: string) => cluster.tryKubectl('35', ['get', '--raw', path]);
    const base = '/api/v1/namespaces/default';
    expect((await raw(`${base}/pods/web/proxy/a?b=c`)).stdout).toContain('GET /a?b=c');
    await eventually(
      () => raw(`${base}/services/web:80/proxy/x`),
      ({ stdout }) => stdout.includes('GET /x'),
    );
    const node = await cluster.kubectl('35', ['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
    expect((await raw(`/api/v1/nodes/${node}/proxy/healthz`)).stdout).toBe('ok');
    const child = spawn(binary('35', 'kubectl'), ['proxy', '--port=0'], { env: { ...process.env, ...cluster.env() } });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    try {
      await eventually(
        async () => said,
        (text) => /Starting to serve on \S+\n/.test(text),
      );
      const address = /serve on (\S+)/.exec(said)![1]!;
      const answer = await fetch(`http://${address}${base}/services/web:80/proxy/env`, { method: 'POST', body: 'x' });
      expect(await answer.text()).toContain('COXSWAIN_POD_IP');
    } finally {
      await ended(child);
    }
  });
});
