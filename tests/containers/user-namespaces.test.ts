/** Containers whose users are their own: who they are inside and outside, what they may do to files, and that nothing of it is left. */
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { mapsUsers } from '#pkg/cluster/containers.ts';
import { openClusterImages } from '#pkg/cluster/images.ts';
import type { LocalImages } from '#pkg/images/local/local-image-store.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import { userIdsFolder } from '#pkg/kubelet/runtime/container/places.ts';
import type { SandboxConfig } from '#pkg/kubelet/runtime/container-config.ts';
import { makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { writeBusyboxArchive } from './busybox-image.ts';
import { Bench, noContainers, outputOf, runToEnd, script, start } from './real-containers.ts';

const impossible = noContainers ?? (mapsUsers() ? undefined : 'the kernel shows no files by other ids');
if (impossible !== undefined) console.log(`skipped: users of pods: ${impossible}`);

const count = 65_536;

describe.skipIf(impossible !== undefined)('a pod with users of its own', () => {
  const bench = new Bench();
  let images: LocalImages;
  let runtime: ContainerRuntime;
  const own = (podUid: string, more: Partial<SandboxConfig> = {}): Partial<SandboxConfig> => ({
    podUid,
    ...more,
    namespaces: { ...makeSandboxConfig().namespaces, ...more.namespaces, user: 'pod' },
  });
  /** The ids that the first user of a container's namespace is outside. */
  const baseOf = async (id: string): Promise<number> => {
    const { stdout } = await runtime.inspection.exec(id, { command: ['cat', '/proc/self/uid_map'] });
    const [inside = '', outside = '', size = ''] = stdout.trim().split(/\s+/);
    expect([inside, size]).toEqual(['0', String(count)]);
    return Number(outside);
  };

  beforeAll(async () => {
    const archive = join(bench.folder, 'busybox.tar');
    writeBusyboxArchive(archive, 'docker.io/library/busybox:latest');
    images = await openClusterImages({
      folder: join(bench.folder, 'cluster'),
      clock: new SystemClock(),
      random: new SystemRandom(),
      architecture: process.arch,
      isRoot: true,
    });
    await images.load(archive);
    runtime = await bench.open(images, { hasUserNamespaces: images.snapshotter.kind === 'overlay' });
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await bench.remains()).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(bench.places.memory);
    const claims = readdirSync(userIdsFolder).map((name) => textOf(join(userIdsFolder, name)));
    expect(claims.filter((claim) => claim.startsWith(bench.places.cgroup))).toEqual([]);
    bench.remove();
  });

  test("has them as root and others inside, and nobody's outside, and its root is theirs", async () => {
    const say =
      'id -u; stat -c %u /bin /etc/greeting; echo x >/new; chmod 600 /bin/busybox; stat -c %u /new /bin/busybox';
    const { lines } = await runToEnd(runtime, script(say), own('inside'));
    expect(lines).toEqual(['0', '0', '65534', '0', '0']);
    const { id } = await start(runtime, script('exec sleep 1000'), own('outside'));
    const base = await baseOf(id);
    expect(base % count).toBe(0);
    // What it may is its namespace's alone.
    const mount = await runtime.inspection.exec(id, { command: ['mount', '-t', 'tmpfs', 'none', '/tmp'] });
    expect(mount.exitCode).not.toBe(0);
    const other = await start(runtime, script('exec sleep 1000'), own('other'));
    expect(await baseOf(other.id)).not.toBe(base);
    await runtime.inspection.exec(id, { command: ['sh', '-c', 'echo x >/file'] });
    const { changesPath } = await images.prepare(id, (await images.find('busybox'))?.id ?? '');
    expect(statSync(join(changesPath, 'file')).uid).toBe(base);
  });

  test("sees volumes by its own ids, and what it writes there is the disk's", async () => {
    const folder = join(bench.folder, 'volume');
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'secret'), 'kept', { mode: 0o440 });
    chownSync(join(folder, 'secret'), 0, 77);
    const mounts = [{ containerPath: '/data', hostPath: folder, readOnly: false }];
    const say = 'stat -c "%u %g" /data/secret; cat /data/secret; echo; echo x >/data/made';
    const { lines } = await runToEnd(runtime, script(say, { mounts }), own('volume'));
    expect(lines).toEqual(['0 77', 'kept']);
    expect(statSync(join(folder, 'made')).uid).toBe(0);
    // A user in the volume's group, and in no other's.
    chownSync(folder, 0, 77);
    const security = { runAsUser: 1000, supplementalGroups: [77] };
    const reads = script('cat /data/secret', { mounts, security });
    const denied = await runToEnd(runtime, reads, own('user'));
    expect(denied.status).toMatchObject({ exitCode: 1 });
    chmodSync(folder, 0o750);
    expect((await runToEnd(runtime, reads, own('group'))).lines).toEqual(['kept']);
  });

  test('opens its output again, and has shared memory, a name and processes of its own', async () => {
    const say = 'echo again >/dev/stdout; echo x >/dev/shm/x; stat -c %u /dev/shm/x; cat /proc/sys/kernel/hostname';
    const security = { runAsUser: 1000 };
    const { lines } = await runToEnd(runtime, script(say, { security }), own('output', { hostname: 'web-0' }));
    expect(lines).toEqual(['again', '1000', 'web-0']);
    const shared = own('shared', { namespaces: { ...makeSandboxConfig().namespaces, pid: 'pod' } });
    const pid = await runToEnd(runtime, script('cat /proc/1/uid_map'), shared);
    expect(pid.lines[0]?.trim().split(/\s+/).at(-1)).toBe(String(count));
  });

  test('keeps them when its kubelet starts again', async () => {
    const { id } = await start(runtime, script('exec sleep 1000'), own('kept'));
    const base = await baseOf(id);
    runtime.detach();
    runtime = await bench.open(images, { hasUserNamespaces: true });
    expect(await baseOf(id)).toBe(base);
    const { sandboxId } = (await runtime.containers.status(id)) ?? { sandboxId: '' };
    const next = await runtime.containers.create(sandboxId, script('cat /proc/self/uid_map', { attempt: 1 }));
    await runtime.containers.start(next);
    expect((await outputOf(runtime, next))[0]?.trim().split(/\s+/)[1]).toBe(String(base));
  });
});

/** Another node's claim may go meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
