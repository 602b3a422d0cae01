/** The socket for Docker's clients, as Docker's own command and testcontainers find it: they build, run, look, copy, push, and nothing is left when it ends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { networkName } from '#pkg/docker/container-network.ts';
import { placesOf } from '#pkg/kubelet/runtime/container/places.ts';
import { eventually, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noBusybox, writeBusyboxArchive } from './busybox-image.ts';
import { noNetwork } from './kernel-network.ts';
import { noContainers } from './real-containers.ts';

const patienceMs = 180_000;
const hasClient = spawnSync('docker', ['--version']).status === 0;
const impossible = noContainers ?? noNetwork ?? noBusybox ?? (hasClient ? undefined : 'there is no docker command');
if (impossible !== undefined) console.log(`skipped: tests of the socket for Docker's clients: ${impossible}`);

const dockerfile = `
FROM socket-test:1
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ARG WHO=world
ENV GREETED=$WHO
RUN mkdir /www && echo "hello $GREETED" > /www/index.html
EXPOSE 8080
CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
`;

describe.skipIf(impossible !== undefined)("Docker's clients", () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-docker-'));
  const data = join(folder, 'data');
  const socket = join(data, 'docker.sock');
  let server: ChildProcess | undefined;
  let output = '';

  const coxswain = (...args: readonly string[]) =>
    spawn(process.execPath, [join(root, 'cmd/coxswain/main.ts'), ...args], {
      env: { ...process.env, HOME: folder, COXSWAIN_HOME: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });

  const environment = { HOME: folder, DOCKER_HOST: `unix://${socket}`, DOCKER_BUILDKIT: '0' };

  const attempt = (...args: readonly string[]) => run('docker', args, { env: environment, timeoutMs: patienceMs });

  async function docker(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await attempt(...args);
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  /** What a line of a shell prints, in which `docker` is Docker's client. */
  async function shell(script: string): Promise<string> {
    const { stdout } = await run('sh', ['-c', script], { env: environment, timeoutMs: patienceMs });
    return stdout;
  }

  /** Waits for a line of a process's output that has this. */
  async function line(child: ChildProcess, pattern: RegExp): Promise<string> {
    let text = '';
    for await (const chunk of child.stdout ?? []) {
      text += chunk;
      if (pattern.test(text)) break;
    }
    return pattern.exec(text)?.[1] ?? '';
  }

  async function stop(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await ended;
  }

  beforeAll(async () => {
    mkdirSync(join(folder, 'context'));
    writeFileSync(join(folder, 'context/Dockerfile'), dockerfile);
    writeBusyboxArchive(join(folder, 'busybox.tar'), 'socket-test:1');
    server = coxswain('docker-socket', '--data-dir', data);
    output = await line(server, /export DOCKER_HOST=(\S+)/);
    await docker('load', '-i', join(folder, 'busybox.tar'));
    await docker('build', '-t', 'shop:1', '--build-arg', 'WHO=you', join(folder, 'context'));
  }, patienceMs);

  afterAll(async () => {
    await stop(server);
    rmSync(folder, { recursive: true, force: true });
  }, patienceMs);

  test('the engine says what it is, and images are there', { timeout: patienceMs }, async () => {
    expect(output).toBe(`unix://${socket}`);
    expect(await docker('version', '--format', '{{.Server.APIVersion}}')).toBe('1.41');
    expect(await docker('info', '--format', '{{.OSType}}')).toBe('linux');
    const images = await docker('images', '--format', '{{.Repository}}:{{.Tag}}');
    expect(images.split('\n').toSorted()).toEqual(['shop:1', 'socket-test:1']);
    expect(await docker('image', 'inspect', 'shop:1', '--format', '{{json .Config.ExposedPorts}}')).toBe(
      '{"8080/tcp":{}}',
    );
    expect(await docker('history', 'shop:1', '--format', '{{.CreatedBy}}')).toContain('EXPOSE 8080');
    await docker('tag', 'shop:1', 'shop:2');
    expect(await docker('rmi', 'shop:2')).toContain('Untagged: shop:2');
    expect(await docker('network', 'ls', '--format', '{{.Name}}')).toBe('bridge\nhost\nnone');
  });

  test('a command runs with its output, input, exit code, user and terminal', { timeout: patienceMs }, async () => {
    const both = await attempt('run', '--rm', 'shop:1', 'sh', '-c', 'echo out; echo err >&2; exit 7');
    expect(both).toMatchObject({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    expect(
      await docker(
        'run',
        '--rm',
        '-u',
        'nobody',
        '-w',
        '/www',
        '-e',
        'A=b',
        'shop:1',
        'sh',
        '-c',
        'id -un; pwd; echo $A',
      ),
    ).toBe('nobody\n/www\nb');
    expect(await shell('echo typed | docker run --rm -i shop:1 cat')).toBe('typed\n');
    expect(await docker('run', '--rm', '--entrypoint', '/bin/echo', 'shop:1', 'own')).toBe('own');
    const terminal = await shell(
      `script -qec "docker run --rm -it shop:1 sh -c 'test -t 0 && echo terminal'" /dev/null </dev/null`,
    );
    expect(terminal).toContain('terminal');
    const missing = await attempt('run', '--rm', 'shop:1', '/nothing');
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain('/nothing');
    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a server answers at its port, and is looked into', { timeout: patienceMs }, async () => {
    mkdirSync(join(folder, 'srv'));
    writeFileSync(join(folder, 'srv/page'), 'mounted');
    const id = await docker(
      'run',
      '-d',
      '--name',
      'web',
      '-p',
      '127.0.0.1:0:8080',
      '-v',
      `${folder}/srv:/www/srv:ro`,
      '-v',
      'pages:/pages',
      'shop:1',
    );
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const port = await docker('port', 'web', '8080/tcp');
    const got = async (path: string): Promise<string> =>
      fetch(`http://${port}${path}`).then(
        (answer) => answer.text(),
        () => '',
      );
    expect(
      await eventually(
        () => got('/'),
        (text) => text !== '',
        patienceMs,
      ),
    ).toBe('hello you\n');
    expect(await got('/srv/page')).toBe('mounted');
    expect(await docker('ps', '--format', '{{.Names}} {{.Image}} {{.State}}')).toBe('web shop:1 running');
    expect(await docker('inspect', 'web', '--format', '{{.Name}} {{.State.Running}}')).toBe('/web true');
    expect(await docker('exec', '-e', 'B=c', '-w', '/pages', 'web', 'sh', '-c', 'echo $B > kept; pwd')).toBe('/pages');
    expect(await docker('run', '--rm', '-v', 'pages:/p', 'shop:1', 'cat', '/p/kept')).toBe('c');
    expect((await attempt('exec', 'web', 'sh', '-c', 'exit 3')).code).toBe(3);
    expect(await shell('echo typed | docker exec -i web cat')).toBe('typed\n');
    writeFileSync(join(folder, 'copied'), 'copied');
    await docker('cp', join(folder, 'copied'), 'web:/www/copied');
    expect(await got('/copied')).toBe('copied');
    await docker('cp', 'web:/www/index.html', join(folder, 'back'));
    expect(readFileSync(join(folder, 'back'), 'utf8')).toBe('hello you\n');
    expect((await attempt('rm', 'web')).stderr).toContain('You cannot remove a running container');
    await docker('stop', '-t', '0', 'web');
    expect(await docker('wait', 'web')).toBe('137');
    expect(await got('/')).toBe('');
    await docker('rm', 'web');
    await docker('volume', 'rm', 'pages');
    expect(await docker('volume', 'ls', '-q')).toBe('');
  });

  test('logs are kept until the container is removed', { timeout: patienceMs }, async () => {
    await docker('run', '-d', '--name', 'talks', 'shop:1', 'sh', '-c', 'echo one; echo two; exec sleep 100000');
    await eventually(
      () => docker('logs', 'talks'),
      (text) => text === 'one\ntwo',
      patienceMs,
    );
    expect(await docker('logs', '--tail', '1', 'talks')).toBe('two');
    await docker('pause', 'talks');
    expect(await docker('ps', '--filter', 'status=paused', '--format', '{{.Names}} {{.State}}')).toBe('talks paused');
    expect(await docker('inspect', 'talks', '--format', '{{.State.Status}} {{.State.Paused}}')).toBe('paused true');
    await expect(docker('pause', 'talks')).rejects.toThrow('is already paused');
    await docker('unpause', 'talks');
    expect(await docker('exec', 'talks', 'echo', 'on')).toBe('on');
    await docker('pause', 'talks');
    await docker('unpause', 'talks');
    await docker('kill', 'talks');
    expect(await docker('wait', 'talks')).toBe('137');
    expect(await docker('ps', '-a', '--filter', 'status=exited', '--format', '{{.Names}}')).toBe('talks');
    expect((await attempt('start', 'talks')).stderr).toContain('starts none again');
    await docker('rm', 'talks');
    expect((await attempt('logs', 'talks')).stderr).toContain('No such container: talks');
  });

  test('what cannot be had is refused', { timeout: patienceMs }, async () => {
    const refused = async (...args: readonly string[]) => (await attempt('run', ...args)).stderr;
    expect(await refused('--restart', 'always', 'shop:1')).toContain('restart policy');
    expect(await refused('--ulimit', 'nofile=10', 'shop:1')).toContain('Ulimits is not supported');
    expect(await refused('--network', 'own', 'shop:1')).toContain('NetworkMode own');
    const taken = createServer();
    await new Promise<void>((done) => void taken.listen(0, '127.0.0.1', done));
    const { port } = taken.address() as AddressInfo;
    expect(await refused('--rm', '-p', `127.0.0.1:${port}:8080`, 'shop:1')).toContain('another program has that port');
    taken.close();
    expect((await attempt('network', 'create', 'own')).stderr).toContain('page not found');
    expect(await docker('ps', '-aq')).toBe('');
  });

  test('a refusal leaves the connection to its client, whose body may come behind its head', async () => {
    const client = connect(socket);
    client.write('POST /networks/create HTTP/1.1\r\nhost: docker\r\ncontent-length: 2\r\n\r\n');
    client.write('{');
    await new Promise((done) => setImmediate(done));
    client.end('}GET /_ping HTTP/1.1\r\nhost: docker\r\nconnection: close\r\n\r\n');
    expect(await text(client)).toMatch(/^HTTP\/1\.1 404 [\s\S]*page not found[\s\S]*HTTP\/1\.1 200 /);
  });

  test('an image goes to a registry and comes back', { timeout: patienceMs }, async () => {
    const registry = coxswain('image', 'registry', '--port', '0', '--data-dir', join(folder, 'registry'));
    try {
      const host = await line(registry, /(localhost:\d+)/);
      await docker('tag', 'shop:1', `${host}/shop:1`);
      await docker('push', `${host}/shop:1`);
      await docker('rmi', `${host}/shop:1`);
      expect(await docker('pull', `${host}/shop:1`)).toContain('Status: ');
      expect(await docker('run', '--rm', `${host}/shop:1`, 'cat', '/www/index.html')).toBe('hello you');
      await docker('rmi', `${host}/shop:1`);
    } finally {
      await stop(registry);
    }
  });

  test('testcontainers starts a container, and speaks to it', { timeout: patienceMs }, async () => {
    for (const [name, value] of Object.entries({ ...environment, TESTCONTAINERS_RYUK_DISABLED: 'true' }))
      vi.stubEnv(name, value);
    const { GenericContainer, Wait } = await import('testcontainers');
    const container = await new GenericContainer('shop:1')
      .withExposedPorts(8080)
      .withCopyContentToContainer([{ content: 'put', target: '/www/put' }])
      .withWaitStrategy(Wait.forListeningPorts())
      .start();
    try {
      const address = `http://${container.getHost()}:${container.getMappedPort(8080)}`;
      expect(await (await fetch(`${address}/put`)).text()).toBe('put');
      expect(await container.exec(['cat', '/www/index.html'])).toMatchObject({ exitCode: 0, output: 'hello you\n' });
    } finally {
      await container.stop();
      vi.unstubAllEnvs();
    }
  });

  test('nothing is left when it ends', { timeout: patienceMs }, async () => {
    await docker('run', '-d', '-p', '0:8080', 'shop:1');
    // The next one takes away what one that was killed has left.
    await stop(server, 'SIGKILL');
    server = coxswain('docker-socket', '--data-dir', data);
    await line(server, /export DOCKER_HOST=(\S+)/);
    expect(await docker('ps', '-aq')).toBe('');
    await docker('run', '-d', 'shop:1');
    await stop(server);
    const { memory, cgroup } = placesOf(join(data, 'docker', 'oci'));
    expect(spawnSync('ls', [memory, socket]).status).not.toBe(0);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
    expect(spawnSync('find', ['/sys/fs/cgroup', '-name', cgroup.slice(1)], { encoding: 'utf8' }).stdout).toBe('');
    const name = networkName(data);
    expect(spawnSync('ip', ['link'], { encoding: 'utf8' }).stdout).not.toContain(name);
    expect(spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout).not.toContain(name);
  });
});
