/**
 * Images of Debian's packages between this project and programs that nobody here wrote: skopeo and Docker's engine write to the registry for development and read from
 * it, read what is saved here, and what they save is read here; what is unpacked runs.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { openClusterImages } from '#pkg/cluster/images.ts';
import type { StoredImage } from '#pkg/images/image-store.ts';
import type { LocalImages } from '#pkg/images/local/local-image-store.ts';
import { endLeftCommand } from '#pkg/kubelet/runtime/container/build-runner.ts';
import { processesWith, start } from '#tests/e2e/machine.ts';
import { type CommandResult, eventually, run } from '#tests/e2e/running-cluster.ts';
import { root } from '#tests/tidy/source-files.ts';
import { noBusybox, writeBusyboxArchive } from './busybox-image.ts';
import { noEngine } from './engine.ts';

const patienceMs = 120_000;
const hasSkopeo = spawnSync('skopeo', ['--version']).status === 0;
const impossible =
  process.getuid?.() === 0
    ? (noBusybox ?? (hasSkopeo ? undefined : 'there is no skopeo'))
    : 'images are unpacked by root alone';
if (impossible !== undefined) console.log(`skipped: tests of images: ${impossible}`);

const noRunc = spawnSync('runc', ['--version']).status === 0 ? undefined : 'there is no runc';
if (noRunc !== undefined) console.log(`skipped: tests of images that are built: ${noRunc}`);

const dockerfile = `
FROM scratch AS base
COPY busybox /bin/
RUN ["/bin/busybox", "--install", "-s", "/bin"]

FROM base
ARG WHO=world
ENV GREETED=$WHO
WORKDIR /srv
RUN echo "hello $GREETED" > greeting && chown 50:50 greeting \\
  && grep Seccomp: /proc/self/status > seen && ls /proc | grep -c '^1$' >> seen && rm /bin/rm
USER 50
RUN touch /srv/denied || true
`;

describe.skipIf(impossible !== undefined)('images', () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-images-'));
  const archive = join(folder, 'busybox.tar');
  const name = 'docker.io/library/coxswain-images-test:1';
  const environment = { HOME: folder, COXSWAIN_HOME: join(folder, 'clusters'), DOCKER_CONFIG: join(folder, 'docker') };
  let stopRegistry = async (): Promise<void> => {};
  let host = '';
  let id = '';

  async function coxswain(...args: readonly string[]): Promise<string> {
    return ok(
      await run(process.execPath, [join(root, 'cmd/coxswain/main.ts'), ...args], {
        env: environment,
        timeoutMs: patienceMs,
      }),
    );
  }

  async function tool(command: string, ...args: readonly string[]): Promise<string> {
    return ok(
      await run(command, args, { env: { HOME: folder, DOCKER_CONFIG: join(folder, 'docker') }, timeoutMs: patienceMs }),
    );
  }

  const skopeo = (...args: readonly string[]): Promise<string> => tool('skopeo', '--insecure-policy', ...args);

  function ok({ code, stdout, stderr }: CommandResult): string {
    if (code !== 0) throw new Error(`exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  function openStore(): Promise<LocalImages> {
    const data = join(folder, 'clusters', 'dev');
    return openClusterImages({
      folder: data,
      clock: new SystemClock(),
      random: new SystemRandom(),
      architecture: process.arch,
      isRoot: true,
    });
  }

  beforeAll(async () => {
    writeBusyboxArchive(archive, 'coxswain-images-test:1');
    const registry = spawn(process.execPath, [join(root, 'cmd/coxswain/main.ts'), 'image', 'registry', '--port', '0'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<void>((resolve) => registry.on('exit', () => resolve()));
    stopRegistry = async () => {
      registry.kill('SIGTERM');
      await ended;
    };
    let output = '';
    for await (const chunk of registry.stdout) {
      output += chunk;
      if (output.includes('\n')) break;
    }
    host = /localhost:\d+/.exec(output)?.[0] ?? '';
    await coxswain('image', 'load', archive);
    id = JSON.parse(await coxswain('image', 'ls', '-o', 'json'))[0].id;
  }, patienceMs);

  afterAll(async () => {
    await stopRegistry();
    rmSync(folder, { recursive: true, force: true });
  }, patienceMs);

  test('what was loaded has the id that its archive says, and runs', async () => {
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    const store = await openStore();
    const prepared = await store.prepare('run', id);
    try {
      const inside = (...command: readonly string[]): string => {
        const { stdout, stderr } = spawnSync('/usr/sbin/chroot', [prepared.path, ...command], {
          encoding: 'utf8',
          env: { PATH: '/bin' },
        });
        return `${stdout}${stderr}`;
      };
      expect(inside('/bin/cat', '/etc/greeting')).toBe('hello\n');
      expect(inside('/bin/ls', '/etc')).toBe('greeting\npasswd\n');
      expect(inside('/bin/stat', '-c', '%a %u %n', '/tmp', '/etc/greeting')).toBe(
        '1777 0 /tmp\n640 65534 /etc/greeting\n',
      );
      expect(inside('/bin/sh', '-c', 'echo changed > /etc/greeting && cat /etc/greeting')).toBe('changed\n');
      expect(readFileSync(join(prepared.changesPath, 'etc/greeting'), 'utf8')).toBe('changed\n');
      const other = await store.prepare('other', id);
      expect(readFileSync(join(other.path, 'etc/greeting'), 'utf8')).toBe('hello\n');
    } finally {
      await store.releaseAll();
    }
    expect(() => statSync(prepared.path)).toThrow();
  });

  test('skopeo writes to the registry and reads from it, and so does coxswain', async () => {
    await skopeo('copy', '--dest-tls-verify=false', `docker-archive:${archive}`, `docker://${host}/from/skopeo:1`);
    expect(await coxswain('image', 'pull', `${host}/from/skopeo:1`)).toContain(id.slice(7, 19));
    await coxswain('image', 'tag', name, `${host}/from/coxswain:1`);
    await coxswain('image', 'push', `${host}/from/coxswain:1`);
    const layout = join(folder, 'layout');
    await skopeo('copy', '--src-tls-verify=false', `docker://${host}/from/coxswain:1`, `oci:${layout}:latest`);
    const inspected = JSON.parse(await skopeo('inspect', '--raw', '--config', `oci:${layout}:latest`));
    expect(inspected.config.Cmd).toEqual(['/bin/cat', '/etc/greeting']);
    expect(await coxswain('image', 'load', '--tag', 'q.io/layout:1', layout)).toContain('q.io/layout:1');
    expect(JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${host}/from/coxswain`)).Tags).toEqual([
      '1',
    ]);
    await skopeo('delete', '--tls-verify=false', `docker://${host}/from/coxswain:1`);
    await expect(coxswain('image', 'pull', `${host}/from/coxswain:1`)).rejects.toThrow('MANIFEST_UNKNOWN');
  });

  test('skopeo reads the store itself, and what is saved of it, as a layout and as an archive of docker', async () => {
    const saved = join(folder, 'saved.tar');
    await coxswain('image', 'save', '--file', saved, name);
    const again = join(folder, 'again.tar');
    await coxswain('image', 'save', '--file', again, name);
    expect(readFileSync(again).equals(readFileSync(saved))).toBe(true);
    for (const source of [
      `oci-archive:${saved}:1`,
      `docker-archive:${saved}`,
      `oci:${join(folder, 'clusters/dev/images')}:${name}`,
    ])
      expect(await skopeo('inspect', '--format', '{{.Architecture}} {{len .Layers}}', source), source).toMatch(
        /^a\w+64 2\n$/,
      );
    const compressed = join(folder, 'saved.tar.gz');
    writeFileSync(compressed, spawnSync('gzip', ['-c', saved], { maxBuffer: 1 << 28 }).stdout);
    expect(await coxswain('image', 'load', compressed)).toContain(id.slice(7, 19));
  });

  test('the history has a step for each layer; what lost its tag goes with a prune, and what has one stays', async () => {
    const steps: unknown = JSON.parse(await coxswain('image', 'history', '-o', 'json', name));
    expect(steps).toEqual([expect.objectContaining({ sizeBytes: expect.any(Number) }), expect.any(Object)]);
    expect(await coxswain('image', 'history', name)).toMatch(/^CREATED +SIZE +CREATED BY +COMMENT\n/);
    const other = join(folder, 'other.tar');
    writeBusyboxArchive(other, 'coxswain-pruned-test:1');
    await coxswain('image', 'load', other, '--data-dir', join(folder, 'pruned'));
    const prune = (...flags: readonly string[]): Promise<string> =>
      coxswain('image', 'prune', '--data-dir', join(folder, 'pruned'), ...flags);
    expect(await prune()).toMatch(/^Freed .*B\.\n$/);
    expect(await prune('--all')).toMatch(/^Removed docker\.io\/library\/coxswain-pruned-test:1\nFreed .*B\.\n$/);
    expect(await coxswain('image', 'ls', '-o', 'json', '--data-dir', join(folder, 'pruned'))).toBe('[]\n');
  });

  describe.skipIf(noEngine !== undefined)('with the engine', () => {
    afterAll(async () => {
      await run('docker', [
        'image',
        'rm',
        '--force',
        'coxswain-images-test:1',
        `${engineHost()}/pushed:1`,
        `${engineHost()}/for/engine:1`,
      ]);
    });

    // Engines take a registry on the loopback network without encryption.
    const engineHost = (): string => host.replace('localhost', '127.0.0.1');

    test('what is saved here runs there, with the same id, and comes back', async () => {
      const saved = join(folder, 'for-engine.tar');
      await coxswain('image', 'save', '--file', saved, name);
      await tool('docker', 'load', '--input', saved);
      expect(await tool('docker', 'image', 'inspect', '--format', '{{.Id}}', 'coxswain-images-test:1')).toBe(`${id}\n`);
      expect(await tool('docker', 'run', '--rm', '--network', 'none', 'coxswain-images-test:1')).toBe('hello\n');
      const back = join(folder, 'from-engine.tar');
      await tool('docker', 'save', '--output', back, 'coxswain-images-test:1');
      expect(await coxswain('image', 'load', back)).toContain('coxswain-images-test:1');
    });

    test('it pushes to the registry and pulls from it', async () => {
      await tool('docker', 'tag', 'coxswain-images-test:1', `${engineHost()}/pushed:1`);
      await tool('docker', 'push', `${engineHost()}/pushed:1`);
      expect(await coxswain('image', 'pull', `${host}/pushed:1`)).toContain(id.slice(7, 19));
      await coxswain('image', 'tag', name, `${engineHost()}/for/engine:1`);
      await coxswain('image', 'push', `${engineHost()}/for/engine:1`);
      await tool('docker', 'pull', `${engineHost()}/for/engine:1`);
      expect(await tool('docker', 'run', '--rm', '--network', 'none', `${engineHost()}/for/engine:1`)).toBe('hello\n');
    });
  });

  test.skipIf(noRunc !== undefined)(
    'an image is built of the program, twice with the same digest, and its commands are contained',
    async () => {
      const context = join(folder, 'context');
      mkdirSync(context);
      copyFileSync('/bin/busybox', join(context, 'busybox'));
      writeFileSync(join(context, 'Dockerfile'), dockerfile);
      const built = async (home: string): Promise<StoredImage> => {
        const env = { ...environment, COXSWAIN_HOME: join(folder, home) };
        const args = [
          join(root, 'cmd/coxswain/main.ts'),
          'image',
          'build',
          context,
          '-t',
          'built:1',
          '--build-arg',
          'WHO=you',
          '-o',
          'json',
        ];
        return JSON.parse(ok(await run(process.execPath, args, { env, timeoutMs: patienceMs })));
      };
      const image = await built('clusters');
      expect((await built('elsewhere')).digests).toEqual(image.digests);
      const store = await openStore();
      const { path } = await store.prepare('built', image.id);
      try {
        expect(readFileSync(join(path, 'srv/greeting'), 'utf8')).toBe('hello you\n');
        // Filtered system calls, and none of the machine's processes.
        expect(readFileSync(join(path, 'srv/seen'), 'utf8')).toBe('Seccomp:\t2\n1\n');
        expect(statSync(join(path, 'srv/greeting'))).toMatchObject({ uid: 50, gid: 50, mtimeMs: 0 });
        expect(() => statSync(join(path, 'srv/denied'))).toThrow();
        expect(() => statSync(join(path, 'bin/rm'))).toThrow();
      } finally {
        await store.release('built');
      }
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
    },
  );

  test('a cluster that is removed leaves no root behind', async () => {
    const store = await openStore();
    const { path } = await store.prepare('left', id);
    await coxswain('down', '--delete-data');
    expect(() => statSync(path)).toThrow();
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
  });

  test.skipIf(noRunc !== undefined)(
    'a build that is killed while its container is made leaves nothing, with the OCI runtime or without',
    async () => {
      const context = join(folder, 'early');
      mkdirSync(context);
      copyFileSync('/bin/busybox', join(context, 'busybox'));
      const command = `sleep 9${process.pid}`;
      const from = 'FROM scratch\nCOPY busybox /bin/sh\n';
      writeFileSync(join(context, 'Dockerfile'), `${from}RUN ${command}`);
      const roots = join(folder, 'clusters', 'dev', 'images', 'roots');
      const main = join(root, 'cmd/coxswain/main.ts');
      const bundles = (): string[] =>
        existsSync(roots)
          ? readdirSync(roots).filter((name) => existsSync(join(roots, name, 'command/config.json')))
          : [];
      const cgroups = (): string[] =>
        ['', ...readdirSync('/sys/fs/cgroup')].flatMap((name) =>
          globSync(join('/sys/fs/cgroup', name, 'coxswain-build-*')),
        );
      const before = cgroups();
      for (const withRuntime of [false, true]) {
        const build = spawn(process.execPath, [main, 'image', 'build', context, '-t', 'early:1'], {
          env: { ...process.env, ...environment },
          stdio: 'ignore',
          detached: true,
        });
        const ended = new Promise((resolve) => build.on('exit', resolve));
        await eventually(
          async () => bundles(),
          (all) => all.length > 0,
        );
        process.kill(withRuntime ? -build.pid! : build.pid!, 'SIGKILL');
        await ended;
        await (await openStore()).releaseLeft(endLeftCommand);
        expect([processesWith(command), cgroups(), bundles()]).toEqual([[], before, []]);
        expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(folder);
      }
    },
    patienceMs,
  );

  test.skipIf(noRunc !== undefined)(
    'what a killed build has left is ended by the next one, and by the end of the cluster; that ends one at work too',
    async () => {
      const context = join(folder, 'endless');
      mkdirSync(context);
      copyFileSync('/bin/busybox', join(context, 'busybox'));
      const command = `sleep 8${process.pid}`;
      const from = 'FROM scratch\nCOPY busybox /bin/sh\n';
      const words = [join(root, 'cmd/coxswain/main.ts'), 'image', 'build', context, '-t', 'endless:1'];
      const killOne = async (): Promise<void> => {
        writeFileSync(join(context, 'Dockerfile'), `${from}RUN ${command}`);
        const { child, ended } = start(process.execPath, words, { env: environment });
        await eventually(
          async () => processesWith(command),
          (commands) => commands.length > 0,
        );
        child.kill('SIGKILL');
        await ended;
        expect(processesWith(command)).not.toEqual([]);
      };
      const nothingIsLeft = (): Promise<unknown> =>
        eventually(
          async () => [...processesWith(command), readFileSync('/proc/self/mounts', 'utf8').includes(folder)],
          ([first, ...others]) => first === false && others.length === 0,
        );
      await killOne();
      writeFileSync(join(context, 'Dockerfile'), from);
      ok(await run(process.execPath, words, { env: environment, timeoutMs: patienceMs }));
      await nothingIsLeft();
      await killOne();
      await coxswain('down', '--delete-data');
      await nothingIsLeft();
      writeFileSync(join(context, 'Dockerfile'), `${from}RUN ${command}`);
      const { ended } = start(process.execPath, words, { env: environment });
      await eventually(
        async () => processesWith(command),
        (commands) => commands.length > 0,
      );
      await coxswain('down', '--delete-data');
      expect((await ended).stderr).toContain('the command ended with 137');
      await nothingIsLeft();
    },
    patienceMs,
  );
});
