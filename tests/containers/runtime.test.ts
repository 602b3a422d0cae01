import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '#pkg/base/clock.ts';
import { runtimeConformance } from '#pkg/kubelet/runtime/conformance.ts';
import type { ContainerRuntime } from '#pkg/kubelet/runtime/container/container-runtime.ts';
import { readMachine } from '#pkg/kubelet/runtime/container/machine.ts';
import { makeSandboxConfig } from '#pkg/kubelet/testing/configs.ts';
import { Bench, hasWritten, noContainers, outputOf, runToEnd, script, start } from './real-containers.ts';

const sandbox = makeSandboxConfig();
/** For what comes at once, on machines that may be many times slower. */
const patience = { timeout: 120_000 };
/** A machine with AppArmor, and the program that gives it profiles. */
const noAppArmor =
  !existsSync('/sys/kernel/security/apparmor') || spawnSync('apparmor_parser', ['--version']).status !== 0;
const whereThereAre = noContainers === undefined ? describe : describe.skip;

whereThereAre('the container runtime keeps the laws of runtimes', () => {
  const rejects = async (promise: Promise<unknown>, reason: string): Promise<void> => {
    await expect(promise).rejects.toMatchObject({ reason });
  };
  const equal = (actual: unknown, expected: unknown): void => expect(actual).toEqual(expected);
  const busybox = { image: 'busybox' };
  const bench = new Bench();
  let runtime: ContainerRuntime;
  beforeAll(async () => {
    runtime = await bench.open();
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await bench.remains()).toEqual([]);
    bench.remove();
  });
  runtimeConformance({ test, equal, rejects }, async () => ({
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
  }));
});

whereThereAre('a real container', () => {
  const bench = new Bench();
  let runtime: ContainerRuntime;
  beforeAll(async () => {
    runtime = await bench.open();
  });
  afterAll(async () => {
    await runtime?.close();
    expect(await bench.remains()).toEqual([]);
    bench.remove();
  });

  test('is alone with its processes, name, devices and network', async () => {
    const { lines } = await runToEnd(
      runtime,
      script('ls /proc | grep -c "^[0-9]"; hostname; cat /etc/hostname; ls /dev | tr "\\n" " "; ls /sys/class/net'),
      { hostname: 'web-0' },
    );
    expect(Number(lines[0])).toBeLessThan(6);
    expect(lines.slice(1, 3)).toEqual(['web-0', 'web-0']);
    expect(lines.slice(3).join('\n')).toMatch(
      /^(core )?fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero lo$/,
    );
  });

  test('does nothing while it is frozen, which it cannot see, and is killed all the same', async () => {
    const count = 'trap "echo seen" CONT; n=0; while :; do n=$((n + 1)); echo $n; sleep 0.01; done';
    const { id } = await start(runtime, script(count));
    const { freezer } = runtime.containers;
    const lines = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { text } of runtime.inspection.logs(id, {})) found.push(text);
      return found;
    };
    // What it wrote before is with its node by the end of another that was started after.
    const meanwhile = () => runToEnd(runtime, script('for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.02; done'));
    await expect.poll(async () => (await lines()).length, patience).toBeGreaterThan(2);
    await freezer.freeze(id);
    await meanwhile();
    const before = await lines();
    await meanwhile();
    expect(await lines()).toEqual(before);
    await freezer.thaw(id);
    await expect.poll(async () => (await lines()).length, patience).toBeGreaterThan(before.length);
    expect(await lines()).not.toContain('seen');
    await freezer.freeze(id);
    await runtime.containers.stop(id, { graceMs: 0 });
    expect(await runtime.containers.status(id)).toMatchObject({ state: 'exited', exitCode: 137 });
  });

  test('runs as whom its pod says, in the groups of the image and the pod', async () => {
    const security = { runAsUser: 33, supplementalGroups: [77] };
    const { lines } = await runToEnd(runtime, script('id -u; id -g; id -G; echo written >/dev/stderr', { security }));
    expect(lines).toEqual(['33', '33', '33 50 77', 'written']);
  });

  test('has no more rights than it is given', async () => {
    const rights = async (security: Parameters<typeof script>[1]) => {
      const { lines } = await runToEnd(
        runtime,
        script('grep -E "^(CapBnd|NoNewPrivs|Seccomp):" /proc/self/status', security),
      );
      return lines.map((line) => line.split(/\s+/).join(' '));
    };
    expect(await rights({})).toEqual(['CapBnd: 00000000a80425fb', 'NoNewPrivs: 0', 'Seccomp: 0']);
    const security = { dropCapabilities: ['ALL'], noNewPrivileges: true, seccomp: { type: 'runtimeDefault' } } as const;
    expect(await rights({ security })).toEqual(['CapBnd: 0000000000000000', 'NoNewPrivs: 1', 'Seccomp: 2']);
  });

  test('has the signals and the files that a program expects: none ignored, held back or left open by who started it', async () => {
    const { lines } = await runToEnd(
      runtime,
      script('grep -E "^Sig(Blk|Ign):" /proc/self/status; ls /proc/self/fd | tr "\\n" " "'),
    );
    // 3 is the folder that is listed.
    expect(lines.map((line) => line.split(/\s+/).join(' ').trim())).toEqual([
      'SigBlk: 0000000000000000',
      'SigIgn: 0000000000000000',
      '0 1 2 3',
    ]);
  });

  test('writes neither to a read-only root nor to what is read-only of the kernel', async () => {
    const { lines } = await runToEnd(
      runtime,
      script(
        'exec 2>&1; touch /x; echo 1 >/proc/sys/kernel/domainname; touch /sys/x; touch /dev/shm/ok && echo shared',
        { security: { readOnlyRoot: true } },
      ),
    );
    expect(lines).toEqual([
      'touch: /x: Read-only file system',
      "sh: can't create /proc/sys/kernel/domainname: Read-only file system",
      'touch: /sys/x: Read-only file system',
      'shared',
    ]);
  });

  test('does not leave: by mounts, namespaces, devices, links or what the kernel shows of itself', async () => {
    const attempts = {
      mount: 'mount -t tmpfs none /tmp',
      'a namespace of its own': 'unshare -m true',
      'the namespace of another': 'nsenter -t 1 -m true',
      disk: 'mknod /tmp/disk b 8 0; head -c 1 /tmp/disk',
      memory: 'mknod /tmp/memory c 1 1; head -c 1 /tmp/memory',
      'keys of the kernel': 'echo h >/proc/sysrq-trigger',
      'memory of the kernel': '[ "$(wc -c </proc/kcore)" -gt 0 ]',
      firmware: '[ -n "$(ls -A /sys/firmware)" ]',
      'a link up': 'ln -s /proc/1/root/../../.. /tmp/up; [ "$(cat /tmp/up/etc/hostname)" != web-0 ]',
      'a hard link out': 'ln /etc/resolv.conf /tmp/copy',
      'a cgroup': 'mkdir /sys/fs/cgroup/mine /sys/fs/cgroup/*/mine',
      messages: 'dmesg',
    };
    const lines = Object.entries(attempts).map(
      ([name, attempt]) => `( ${attempt}; ) >/dev/null 2>&1 && echo "${name}"`,
    );
    const ended = await runToEnd(runtime, script(`${lines.join('\n')}\necho alive`), { hostname: 'web-0' });
    expect(ended.lines).toEqual(['alive']);
  });

  test('starts no more processes than its pod may, whatever it does not say itself', async () => {
    const { lines, status } = await runToEnd(runtime, script('while :; do sleep 1000 & done'), {
      podUid: 'forks',
      qosClass: 'besteffort',
    });
    expect(lines.at(-1)).toMatch(/can't fork/);
    expect(status).toMatchObject({ state: 'exited', reason: 'Error' });
  });

  test('that uses more memory than it may is ended, and says so', async () => {
    const { status } = await runToEnd(
      runtime,
      script('tail -c 200000000 /dev/zero', { resources: { memoryLimitBytes: 16 * 2 ** 20 } }),
    );
    expect(status).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  test('starts no more processes than it may', async () => {
    const { lines } = await runToEnd(
      runtime,
      script('for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo done', { resources: { pidsMax: 4 } }),
    );
    expect(lines.join('\n')).toMatch(/can't fork/);
  });

  test('leaves its last words', async () => {
    const { status } = await runToEnd(runtime, script('echo farewell >/dev/termination-log; exit 7'));
    expect(status).toMatchObject({ exitCode: 7, reason: 'Error', message: 'farewell\n' });
  });

  test('that cannot be started says why, and has ended with 128', async () => {
    const { id: sandboxId } = await runtime.sandboxes.run({ ...sandbox, podUid: 'missing' });
    const id = await runtime.containers.create(sandboxId, script('', { command: ['/no/such/program'] }));
    await expect(runtime.containers.start(id)).rejects.toThrow(/no such file or directory/i);
    expect(await runtime.containers.status(id)).toMatchObject({ state: 'exited', exitCode: 128, reason: 'StartError' });
  });

  test('shares names, memory and network with its pod, and processes where they are shared', async () => {
    const { id: sandboxId } = await runtime.sandboxes.run({
      ...sandbox,
      podUid: 'shared',
      namespaces: { ...sandbox.namespaces, pid: 'pod' },
    });
    const lasting = await runtime.containers.create(sandboxId, script('echo here >/dev/shm/word; exec sleep 1000'));
    await runtime.containers.start(lasting);
    await runtime.inspection.exec(lasting, {
      command: ['sh', '-c', 'until [ -s /dev/shm/word ]; do sleep 0.05; done'],
    });
    const other = await runtime.containers.create(
      sandboxId,
      script('cat /dev/shm/word; ps -o args | grep -E "^(/pause|sleep 1000)"; readlink /proc/1/root', {
        name: 'other',
      }),
    );
    await runtime.containers.start(other);
    expect(await outputOf(runtime, other)).toEqual(['here', '/pause', 'sleep 1000']);
    // What is in the pod's processes ends with its container.
    await runtime.containers.stop(lasting, { graceMs: 0 });
    expect(await runtime.containers.status(lasting)).toMatchObject({ exitCode: 137 });
  });

  test('has a terminal of the size that it is told', async () => {
    const { id } = await start(runtime, script('exec sleep 1000'));
    const streams = await runtime.streaming.exec(id, { command: ['sh'], tty: true, stdin: true });
    streams.resize({ columns: 91, rows: 17 });
    await streams.stdin?.write(Buffer.from('until stty size | grep "17 91"; do sleep 0.05; done; exit 5\n'));
    let text = '';
    for await (const bytes of streams.stdout) text += Buffer.from(bytes).toString();
    expect(text).toContain('17 91');
    expect(await streams.exitCode).toBe(5);
  });

  test('takes input of commands, and gives it back whole', async () => {
    const { id } = await start(runtime, script('exec sleep 1000'));
    const streams = await runtime.streaming.exec(id, { command: ['md5sum'], stdin: true });
    for (let piece = 0; piece < 64; piece++) await streams.stdin?.write(Buffer.alloc(65_536, piece));
    streams.stdin?.end();
    let text = '';
    for await (const bytes of streams.stdout) text += Buffer.from(bytes).toString();
    const digest = createHash('md5');
    for (let piece = 0; piece < 64; piece++) digest.update(Buffer.alloc(65_536, piece));
    expect(text).toBe(`${digest.digest('hex')}  -\n`);
    expect(await streams.exitCode).toBe(0);
  });

  test('ends a command that is cancelled, with all that it has started', async () => {
    const { id } = await start(runtime, script('exec sleep 1000'));
    const cancelled = new AbortController();
    const streams = await runtime.streaming.exec(id, {
      command: ['sh', '-c', 'sleep 2000 & sleep 2000 & echo begun; wait'],
      signal: cancelled.signal,
    });
    for await (const bytes of streams.stdout) if (Buffer.from(bytes).toString().includes('begun')) break;
    cancelled.abort();
    await expect(streams.exitCode).rejects.toMatchObject({ reason: 'failed' });
    const untilGone = 'while ps -o args | grep -q "^sleep 2000"; do sleep 0.05; done; echo gone';
    expect(await runtime.inspection.exec(id, { command: ['sh', '-c', untilGone] })).toMatchObject({ stdout: 'gone\n' });
  });

  test('is reached at a port inside of its own network', async () => {
    const { id, sandboxId } = await start(runtime, script('while :; do echo answer | nc -l -p 8080; done'));
    const listens = 'until netstat -ltn | grep -q :8080; do sleep 0.05; done';
    await runtime.inspection.exec(id, { command: ['sh', '-c', listens] });
    const connection = await runtime.streaming.portForward(sandboxId, { port: 8080, addresses: [] });
    let text = '';
    for await (const bytes of connection) text += Buffer.from(bytes).toString();
    expect(text).toBe('answer\n');
  });

  test('sees the processes of the one that it is to look at, and no more once that has ended', async () => {
    const { id, sandboxId } = await start(runtime, script('exec sleep 3000'));
    const other = async (targetContainerId?: string): Promise<readonly string[]> => {
      const config = script('ps -o args', targetContainerId === undefined ? {} : { name: 'debug', targetContainerId });
      const debug = await runtime.containers.create(sandboxId, config);
      await runtime.containers.start(debug);
      return outputOf(runtime, debug);
    };
    expect(await other(id)).toContain('sleep 3000');
    expect(await other()).not.toContain('sleep 3000');
    await runtime.containers.stop(id, { graceMs: 0 });
    await expect(other(id)).rejects.toThrow('is not running');
  });

  test('shows a part of another image to read, and has no root of it left when it is gone', async () => {
    const mounts = [{ containerPath: '/v', hostPath: '', image: { id: 'busybox', subPath: 'bin' }, readOnly: true }];
    const { id, sandboxId } = await start(runtime, script('ls /v/busybox; echo x >/v/new', { mounts }));
    expect(await outputOf(runtime, id)).toEqual(['/v/busybox', "sh: can't create /v/new: Read-only file system"]);
    const missing = [{ containerPath: '/v', hostPath: '', image: { id: 'busybox', subPath: 'none' }, readOnly: true }];
    const refused = runtime.containers.create(sandboxId, script('true', { name: 'other', mounts: missing }));
    await expect(refused).rejects.toThrow('the image of the volume has no "none"');
    await runtime.sandboxes.remove(sandboxId);
    expect((await bench.remains()).filter((one) => one.includes('volume'))).toEqual([]);
  });

  test('is resized while it runs', async () => {
    const { id } = await start(
      runtime,
      script('exec sleep 1000', { resources: { cpuShares: 102, memoryLimitBytes: 2 ** 26 } }),
    );
    await runtime.containers.update(id, { cpuQuotaUs: 20_000, cpuPeriodUs: 100_000, memoryLimitBytes: 2 ** 27 });
    const limits =
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/memory.max';
    const { stdout } = await runtime.inspection.exec(id, { command: ['sh', '-c', limits] });
    expect(stdout.split('\n')[0]).toBe(String(2 ** 27));
    await expect(runtime.containers.update(id, { memoryLimitBytes: 4096 })).rejects.toMatchObject({ reason: 'failed' });
  });

  test('is in the cgroup of its pod, in that of its class, with the limits of each', async () => {
    const resources = { cpuShares: 256, cpuPeriodUs: 100_000, cpuQuotaUs: 50_000, memoryLimitBytes: 2 ** 27 };
    const sandboxes = await Promise.all(
      ([['guaranteed'], ['burstable'], ['burstable'], ['besteffort']] as const).map(([qosClass], index) =>
        start(runtime, script('exec sleep 1000'), {
          podUid: `class-${index}`,
          qosClass,
          resources: qosClass === 'besteffort' ? { cpuShares: 2 } : resources,
        }),
      ),
    );
    const machine = await readMachine(process.arch);
    const of = (controller: string, path: string, [first, unified]: readonly [string, string]): string => {
      const folder = join(machine?.cgroups.folders[controller] ?? '', bench.places.cgroup, 'kubepods', path);
      return readFileSync(join(folder, machine?.cgroups.version === 'v2' ? unified : first), 'latin1').trim();
    };
    const weight = (path: string): string => of('cpu', path, ['cpu.shares', 'cpu.weight']);
    const isUnified = machine?.cgroups.version === 'v2';
    expect([weight('burstable'), weight('besteffort'), weight('burstable/podclass-1')]).toEqual(
      isUnified ? ['20', '1', '10'] : ['512', '2', '256'],
    );
    expect(of('memory', 'podclass-0', ['memory.limit_in_bytes', 'memory.max'])).toBe(String(2 ** 27));
    for (const [index, { id }] of sandboxes.entries()) {
      const { stdout } = await runtime.inspection.exec(id, { command: ['cat', '/proc/1/cgroup'] });
      const place = ['', 'burstable/', 'burstable/', 'besteffort/'][index];
      if (!isUnified) expect(stdout).toContain(`${bench.places.cgroup}/kubepods/${place}podclass-${index}/${id}\n`);
    }
    await runtime.sandboxes.update?.(sandboxes[1]?.sandboxId ?? '', { cpuShares: 1024 });
    expect([weight('burstable'), weight('burstable/podclass-1')]).toEqual(isUnified ? ['49', '39'] : ['1280', '1024']);
    expect(of('memory', 'burstable/podclass-1', ['memory.limit_in_bytes', 'memory.max'])).not.toBe(String(2 ** 27));
    for (const { sandboxId } of sandboxes) await runtime.sandboxes.remove(sandboxId);
    expect(weight('burstable')).toBe(isUnified ? '1' : '2');
    expect(() => weight('burstable/podclass-1')).toThrow('ENOENT');
  });

  test('reads and writes no more of a device than its class may, and is not made where there is no such class', async () => {
    const [disk = ''] = readdirSync('/sys/block').filter((name) => statSync(`/dev/${name}`, { throwIfNoEntry: false }));
    const device = readFileSync(`/sys/block/${disk}/dev`, 'latin1').trim();
    const config = (name: string) =>
      script('exec sleep 1000', { annotations: { 'blockio.resources.beta.kubernetes.io/pod': name } });
    const rates = 'ThrottleReadBps: 1M, ThrottleWriteIOPS: 1k';
    writeFileSync(`${bench.folder}/block-io.yaml`, `Classes: { slow: [{ Devices: [/dev/${disk}], ${rates} }] }`);
    expect(runtime.capabilities.features.has('blockIo')).toBe(true);
    const { id } = await start(runtime, config('slow'));
    const files = ['read_bps', 'write_iops'].map((name) => `/sys/fs/cgroup/blkio/blkio.throttle.${name}_device`);
    const command = ['sh', '-c', `cat ${files.join(' ')} 2>/dev/null || cat /sys/fs/cgroup/io.max`];
    const { stdout } = await runtime.inspection.exec(id, { command });
    expect([`${device} 1000000\n${device} 1000\n`, `${device} rbps=1000000 wbps=max riops=max wiops=1000\n`]).toContain(
      stdout,
    );
    await expect(start(runtime, config('fast'))).rejects.toMatchObject({
      reason: 'failed',
      message: expect.stringContaining('has no such class'),
    });
  });

  test.skipIf(noAppArmor)(
    'keeps to the AppArmor profile that it names, and is not made where there is no such profile',
    async () => {
      const name = `coxswain-test-${process.pid}`;
      const profile = `profile ${name} flags=(attach_disconnected,mediate_deleted) { file, deny /tmp/** w, signal, }\n`;
      const load = (option: string) => spawnSync('apparmor_parser', [option], { input: profile, encoding: 'utf8' });
      expect(load('--replace').stderr).toBe('');
      onTestFinished(() => void load('--remove'));
      const appArmor = { type: 'localhost', reference: name } as const;
      const confined = script('cat /proc/self/attr/current; echo x >/tmp/file', { security: { appArmor } });
      const { lines } = await runToEnd(runtime, confined);
      expect(lines).toEqual([`${name} (enforce)`, "sh: can't create /tmp/file: Permission denied"]);
      const missing = { security: { appArmor: { ...appArmor, reference: `${name}-missing` } } };
      await expect(start(runtime, script('exec sleep 1000', missing))).rejects.toMatchObject({ reason: 'failed' });
    },
  );

  test('does not see more of a volume than it is given, and creates what is missing', async () => {
    const hostPath = `${bench.folder}/volumes/made`;
    const mounts = [{ containerPath: '/data', hostPath, readOnly: false }];
    const { lines } = await runToEnd(runtime, script('echo kept >/data/file; ls -a /data', { mounts }));
    expect(lines).toEqual(['.', '..', 'file']);
    const read = [{ containerPath: '/data', hostPath, readOnly: true }];
    const again = await runToEnd(runtime, script('cat /data/file; touch /data/file', { mounts: read }));
    expect(again.lines).toEqual(['kept', 'touch: /data/file: Read-only file system']);
  });
});
