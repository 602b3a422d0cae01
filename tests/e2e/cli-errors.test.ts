/** What stands in the way of `up`: one line that says what to do, exit code 1, and the machine as it was before. */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  coxswainMain,
  filesOf,
  noMounts,
  noOtherUser,
  processesWith,
  start,
  takePort,
  unprivileged,
} from './machine.ts';
import { type CommandResult, freePort, hookMs, RunningCluster, run } from './running-cluster.ts';

/** The ways of starting a cluster, each of which must fail as cleanly. */
const ways = [
  { way: 'up', flags: [] },
  { way: 'up --detach', flags: ['--detach'] },
  { way: 'up --processes --detach', flags: ['--processes', '--detach'] },
] as const;

let place: string;
let dataDir: string;
let kubeconfig: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'coxswain-cli-'));
  chmodSync(place, 0o755);
  dataDir = join(place, 'data');
  kubeconfig = join(place, 'config');
});

afterEach(() => {
  chmodSync(place, 0o755);
  rmSync(place, { recursive: true, force: true });
});

afterAll(() => {
  if (noMounts !== undefined) console.log(`skipped: full and read-only disks: ${noMounts}`);
  if (noOtherUser !== undefined) console.log(`skipped: folders of somebody else: ${noOtherUser}`);
});

interface Place {
  readonly dataDir?: string;
  readonly kubeconfig?: string;
  readonly port?: number;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

async function up(flags: readonly string[], at: Place = {}): Promise<CommandResult> {
  const where = ['--data-dir', at.dataDir ?? dataDir, '--kubeconfig', at.kubeconfig ?? kubeconfig];
  const port = ['--api-port', String(at.port ?? (await freePort())), '--wait', '20s'];
  const started = start(process.execPath, [coxswainMain, 'up', ...where, ...port, ...flags], {
    env: { HOME: place, COXSWAIN_HOME: join(place, 'home') },
    ...(at.user === undefined ? {} : { user: at.user }),
  });
  const late = setTimeout(() => started.child.kill('SIGKILL'), 100_000);
  const { code, stdout, stderr } = await started.ended;
  clearTimeout(late);
  return { code, stdout, stderr };
}

/** The lines that are not progress. */
function complaints({ stderr }: CommandResult): readonly string[] {
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('- '));
}

/** Fails as it should: one line that matches, nothing on standard output, no process, no file more or less than before. */
async function expectCleanFailure(flags: readonly string[], line: RegExp, at: Place = {}): Promise<void> {
  const before = filesOf(place);
  const result = await up(flags, at);
  expect({ ...result, stderr: complaints(result) }).toEqual({
    code: 1,
    stdout: '',
    stderr: [expect.stringMatching(line)],
  });
  const logs = /\/logs\/[\w-]+\.log$/;
  const withoutLogs = (files: Readonly<Record<string, string>>): object =>
    Object.fromEntries(Object.entries(files).filter(([path]) => !logs.test(path)));
  expect(withoutLogs(filesOf(place))).toEqual(withoutLogs(before));
  expect(processesWith(place)).toEqual([]);
}

describe.each([...ways, { way: 'up --processes', flags: ['--processes'] }])('$way that is interrupted', ({ flags }) => {
  test.each([
    ['at once', ''],
    ['with the first keys', 'pki/ca.key'],
    ['with the first addresses', 'run'],
  ])('%s leaves nothing', async (_when, sign) => {
    const before = filesOf(place);
    const where = ['--data-dir', dataDir, '--kubeconfig', kubeconfig, '--api-port', String(await freePort())];
    const started = start(process.execPath, [coxswainMain, 'up', ...where, ...flags], {
      env: { HOME: place, COXSWAIN_HOME: join(place, 'home') },
    });
    while (!existsSync(join(dataDir, sign))) await sleep(5);
    started.child.kill('SIGTERM');
    const { code, stdout, stderr } = await started.ended;
    expect({ code, stdout, stderr: complaints({ code, stdout, stderr }).at(-1) }).toEqual({
      code: 1,
      stdout: '',
      stderr: 'coxswain: Stopped before the cluster was ready',
    });
    expect([filesOf(place), processesWith(place)]).toEqual([before, []]);
  });
});

describe.each(ways)('$way', ({ flags }) => {
  test('on a port that is taken', async () => {
    const taken = await takePort();
    try {
      await expectCleanFailure(
        flags,
        /^coxswain: Cannot listen on port \d+ as another program uses it: .*--api-port$/,
        { port: taken.port },
      );
    } finally {
      await taken.close();
    }
  });

  test('with a kubeconfig that is a folder', async () => {
    mkdirSync(kubeconfig);
    await expectCleanFailure(flags, /^coxswain: Cannot (read|write) the kubeconfig \S+ .*--kubeconfig$/);
  });

  test('with a HOME in which nobody can write', async () => {
    const home = '/dev/null';
    const started = start(process.execPath, [coxswainMain, 'up', ...flags], { env: { HOME: home } });
    const late = setTimeout(() => started.child.kill('SIGKILL'), 100_000);
    const { code, stdout, stderr } = await started.ended;
    clearTimeout(late);
    expect({ code, stdout, stderr: complaints({ code, stdout, stderr }) }).toEqual({
      code: 1,
      stdout: '',
      stderr: [expect.stringMatching(/^coxswain: Cannot write the kubeconfig \S+ \(E\w+\): .*--kubeconfig$/)],
    });
    const elsewhere = start(process.execPath, [coxswainMain, 'up', ...flags, '--kubeconfig', kubeconfig], {
      env: { HOME: home },
    });
    expect(complaints(await elsewhere.ended)).toEqual([
      expect.stringMatching(/^coxswain: Cannot (?:make|use|write) \S+ .*--data-dir$/),
    ]);
  });

  test.skipIf(noOtherUser !== undefined)('with a kubeconfig in a folder that is not ours to write', async () => {
    mkdirSync(join(place, 'locked'));
    chmodSync(join(place, 'locked'), 0o555);
    if (unprivileged !== undefined) chownSync(place, unprivileged.uid, unprivileged.gid);
    const line = /^coxswain: Cannot write the kubeconfig \S+ \(EACCES\): check its permissions, .*--kubeconfig$/;
    await expectCleanFailure(flags, line, { kubeconfig: join(place, 'locked/config'), user: unprivileged });
    await expectCleanFailure(flags, line, { kubeconfig: join(place, 'locked/deeper/config'), user: unprivileged });
  });

  test.each([
    ['broken YAML', 'clusters: [\n', /as it is not valid YAML: repair it/],
    ['a list', '- one\n', /as it holds no mapping: repair it/],
    [
      'a list that is none',
      'apiVersion: v1\nkind: Config\nclusters: three\n',
      /as its clusters are no list: repair it/,
    ],
    ['no kubeconfig at all', 'apiVersion: v1\nkind: Pod\nmetadata: {}\n', /as it is a Pod: repair it|name another/],
    ['bytes', '\u0000\u0001\u0002\ufffd', /as it is not valid YAML: repair it/],
  ])('with a kubeconfig that holds %s', async (_, content, why) => {
    writeFileSync(kubeconfig, content);
    await expectCleanFailure(flags, new RegExp(`^coxswain: Cannot read the kubeconfig \\S+ ${why.source}`));
  });

  test.skipIf(noOtherUser !== undefined)('with a data folder that is not ours to make', async () => {
    mkdirSync(join(place, 'locked'));
    chmodSync(join(place, 'locked'), 0o555);
    if (unprivileged !== undefined) chownSync(place, unprivileged.uid, unprivileged.gid);
    const line = /^coxswain: Cannot write \S*locked\S* \(EACCES\): check its permissions, .*--data-dir$/;
    await expectCleanFailure(flags, line, { dataDir: join(place, 'locked/data'), user: unprivileged });
    // As nobody in a test that runs as root, the folder is somebody else's too.
    const theirs =
      unprivileged === undefined
        ? line
        : /^coxswain: Cannot use \S*locked as it belongs to another user \(0\), .*--data-dir$/;
    await expectCleanFailure(flags, theirs, { dataDir: join(place, 'locked'), user: unprivileged });
  });

  test('with a data folder that is a file, or below one', async () => {
    writeFileSync(join(place, 'file'), 'kept');
    const line = /^coxswain: Cannot use \S*file\S* as .* is not a folder: choose another with --data-dir$/;
    await expectCleanFailure(flags, line, { dataDir: join(place, 'file') });
    await expectCleanFailure(flags, line, { dataDir: join(place, 'file/data') });
  });

  test('with a data folder that holds something else', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'thesis.txt'), 'years of work');
    symlinkSync('thesis.txt', join(dataDir, 'latest'));
    const taken = await takePort();
    try {
      await expectCleanFailure(flags, /^coxswain: Cannot /, { port: taken.port });
    } finally {
      await taken.close();
    }
  });

  test('with a store that is none, and it says which copies are sound (fault 66)', async () => {
    mkdirSync(join(dataDir, 'store'), { recursive: true });
    writeFileSync(join(dataDir, 'store/data.mdb'), 'this is no database '.repeat(1000));
    await expectCleanFailure(
      flags,
      /^coxswain: Cannot open \S+store as data\.mdb is damaged: it is not a database; move \S+store away and run "coxswain snapshot restore FILE --data-dir \S+" with a snapshot, or choose another data folder$/,
    );
    rmSync(join(dataDir, 'store'), { recursive: true });
    writeFileSync(join(dataDir, 'store'), 'a file');
    await expectCleanFailure(flags, /^coxswain: Cannot use \S+store as .* not a folder: .*/);
  });

  test('with a cluster.json that is damaged', async () => {
    mkdirSync(dataDir);
    for (const content of ['{', '[]', '{"settings":{"nodes":"many"}}', '{"settings":{"serviceCidr":"10.0.0.0/8"}}']) {
      writeFileSync(join(dataDir, 'cluster.json'), content);
      await expectCleanFailure(flags, /^coxswain: Cannot read \S+cluster.json as it is damaged: remove it to /);
    }
  });

  test('with a cluster.json that is damaged, which can be removed all the same (fault 44)', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'cluster.json'), '{');
    const { code, stdout } = await run(process.execPath, [
      coxswainMain,
      ...['down', '--delete-data', '--data-dir', dataDir],
    ]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`Its data in ${dataDir} was removed.`)]);
    expect(existsSync(dataDir)).toBe(false);
  });
});

describe('a cluster that was made before', () => {
  let cluster: RunningCluster;

  beforeEach(async () => {
    mkdirSync(dataDir);
    cluster = await RunningCluster.start({ dataDir, flags: ['--kubeconfig', kubeconfig] });
    await cluster.down();
  }, hookMs);

  test.each([
    ['ca.crt', 'not a certificate'],
    ['ca.key', 'not a key'],
    ['apiserver.key', 'not a key'],
    ['admin.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['sa.key', 'not a key'],
  ])('with a %s that is broken says which file it is, and keeps all of them', async (file, content) => {
    writeFileSync(join(dataDir, 'pki', file), content);
    const line = new RegExp(`^coxswain: Cannot use \\S+pki/${file.replace('.', '\\.')} as it holds no .*: .*remove`);
    for (const { flags } of ways) await expectCleanFailure(flags, line);
  });

  test('with a key that is not that of its certificate', async () => {
    writeFileSync(join(dataDir, 'pki/apiserver.key'), readFileSync(join(dataDir, 'pki/admin.key')));
    for (const { flags } of ways)
      await expectCleanFailure(flags, /^coxswain: Cannot use \S+apiserver.key as it is not the key of \S+: .*remove/);
  });

  test('whose store another process holds names that process', async () => {
    const port = await freePort();
    const holder = start(process.execPath, [
      join(coxswainMain, '../../apiserver/main.ts'),
      ...['--data-dir', dataDir, '--secure-port', String(port)],
    ]);
    try {
      await expect.poll(() => holder.stderr(), { timeout: 60_000 }).toContain('API server answers');
      for (const { flags } of ways) {
        const result = await up(flags);
        expect({ ...result, stderr: complaints(result) }).toEqual({
          code: 1,
          stdout: '',
          stderr: [
            expect.stringMatching(
              new RegExp(`^coxswain: Cannot open .* as process ${holder.child.pid} holds it: stop it`),
            ),
          ],
        });
      }
    } finally {
      holder.child.kill('SIGTERM');
      expect((await holder.ended).code).toBe(0);
    }
    expect(processesWith(place)).toEqual([]);
    expect((await up(['--detach', '--wait', '90s'])).code).toBe(0);
    await cluster.down();
  });
});

describe.skipIf(noMounts !== undefined)('a disk of its own', () => {
  /** Runs `up` with its data on a file system that only it sees, and then lists what is left there. */
  const upOn = async (mount: string, flags: readonly string[], kubeconfigIn = place): Promise<CommandResult> => {
    const disk = join(place, 'disk');
    mkdirSync(disk, { recursive: true });
    const words = ['up', '--data-dir', `${disk}/data`, '--kubeconfig', `${kubeconfigIn}/config`, '--wait', '20s'];
    const command = [process.execPath, coxswainMain, ...words, '--api-port', String(await freePort()), ...flags];
    const script = `d="$1"; shift; ${mount}; "$@"; code=$?; find "$d" -mindepth 1 1>&2; exit $code`;
    return run('unshare', ['-m', 'sh', '-c', script, 'sh', disk, ...command], { timeoutMs: 100_000 });
  };

  test.each(ways)('that is full: $way', async ({ flags }) => {
    for (const size of ['16k', '1m']) {
      const result = await upOn(`mount -t tmpfs -o size=${size} tmpfs "$d"`, flags);
      expect({ ...result, stderr: complaints(result), size }).toEqual({
        code: 1,
        stdout: '',
        stderr: [expect.stringMatching(/^coxswain: Cannot .* full .*free some space, or .*--data-dir$/)],
        size,
      });
      expect(processesWith(place)).toEqual([]);
    }
  });

  test('that fills up while the cluster runs: it ends with one line, and with room again has all that was acknowledged', async () => {
    const disk = join(place, 'disk');
    mkdirSync(disk);
    // The cluster's own output is elsewhere. Objects are made until one is refused; then the cluster ends by itself.
    const script = `
      node="$1"; main="$2"; disk="$3"; place="$4"; port="$5"; i=0
      mount -t tmpfs -o size=40m tmpfs "$disk"
      data="--data-dir $disk/data --kubeconfig $place/config"
      "$node" "$main" up $data --runtime fake --api-port "$port" --wait 100s > "$place/out" 2> "$place/err" & cluster=$!
      until grep -q Ctrl-C "$place/out"; do kill -0 $cluster || exit 3; sleep 0.05; done
      cat /dev/zero > "$disk/filler" 2> "$place/filler"
      make() { "$node" "$main" kubectl --kubeconfig "$place/config" create -f "$place/object.yaml" >> "$place/made" 2>> "$place/refused"; }
      while make; do i=$((i + 1)); test $i -lt 100 || exit 4; done
      wait $cluster; echo "ended $?"
      rm "$disk/filler"
      "$node" "$main" up $data --detach --wait 100s > "$place/again" 2>&1 || { cat "$place/again" 1>&2; exit 5; }
      "$node" "$main" kubectl --kubeconfig "$place/config" get configmaps -o name > "$place/kept" || exit 6
      "$node" "$main" down --data-dir "$disk/data" > "$place/down"`;
    const object = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { generateName: 'made-' },
      data: { a: 'x'.repeat(900_000) },
    };
    writeFileSync(join(place, 'object.yaml'), JSON.stringify(object));
    const words = [process.execPath, coxswainMain, disk, place, String(await freePort())];
    const env = { HOME: place, COXSWAIN_HOME: join(place, 'home') };
    const { code, stdout } = await run('unshare', ['-m', 'sh', '-c', script, 'sh', ...words], {
      env,
      timeoutMs: 170_000,
    });
    expect([code, stdout]).toEqual([0, 'ended 1\n']);
    const linesOf = (name: string): readonly string[] => readFileSync(join(place, name), 'utf8').split('\n');
    const made = linesOf('made').map((line) => line.replace(' created', ''));
    expect(made.filter((name) => !linesOf('kept').includes(name))).toEqual([]);
    expect(linesOf('err').filter((line) => line.startsWith('coxswain:'))).toEqual([
      expect.stringMatching(
        /^coxswain: kube-apiserver failed: Cannot write in \S+store as the disk is full \(\d+ MiB are free\): make room and start again; what was acknowledged is kept$/,
      ),
    ]);
  });

  test.each(ways)('that is read-only: $way', async ({ flags }) => {
    const result = await upOn('mount -t tmpfs -o ro tmpfs "$d"', flags);
    expect({ ...result, stderr: complaints(result) }).toEqual({
      code: 1,
      stdout: '',
      stderr: [expect.stringMatching(/^coxswain: Cannot write \S+ \(EROFS\): .*--data-dir$/)],
    });
    const elsewhere = await upOn('mount -t tmpfs -o ro tmpfs "$d"', flags, join(place, 'disk'));
    expect(complaints(elsewhere)).toHaveLength(1);
    expect(elsewhere.code).toBe(1);
  });
});
