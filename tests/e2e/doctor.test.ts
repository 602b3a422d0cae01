/** What a machine lacks for real containers is said before anything starts: by `doctor`, and by `up` in one line, on a machine from whose sight parts of it are taken. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { coxswainMain } from './machine.ts';
import { type CommandResult, run } from './running-cluster.ts';

const noRoot = process.getuid?.() === 0 ? undefined : 'only root hides parts of the machine from a program';
if (noRoot !== undefined) console.log(`skipped: what a machine lacks: ${noRoot}`);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command where a script has changed what is mounted. */
function coxswain(script: string, ...args: readonly string[]): Promise<CommandResult> {
  const command = `${script}; exec "$0" "$@"`;
  const all = [
    '--mount',
    'sh',
    '-c',
    command,
    process.execPath,
    coxswainMain,
    ...args,
    '--data-dir',
    join(folder, 'data'),
  ];
  return run('unshare', all, { env: { ...process.env, HOME: folder } });
}

/** A program that is there and cannot be run. */
const hide = (...programs: readonly string[]): string =>
  programs
    .flatMap((program) =>
      ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((at) => `${at}/${program}`),
    )
    .map((path) => `if [ -e ${path} ]; then mount --bind /dev/null ${path}; fi`)
    .join('; ');

test.skipIf(noRoot !== undefined).each([
  [
    'an OCI runtime',
    hide('runc'),
    /^note {2}--runtime container is not available here: there is no OCI runtime "runc": install runc$/m,
  ],
  [
    'nftables',
    hide('nft'),
    /^note {2}--network bridge is not available here: there is no program "nft": install nftables;/m,
  ],
  [
    'cgroups',
    'umount -R /sys/fs/cgroup',
    /^note {2}--runtime container is not available here: no cgroups are mounted/m,
  ],
])('without %s', async (_, script, said) => {
  expect((await coxswain(script, 'doctor')).stdout).toMatch(said);
});

test.skipIf(noRoot !== undefined)('without root', async () => {
  const user = 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" "$@"';
  const { stdout } = await coxswain(`chmod 755 ${folder}; ${user}`, 'doctor');
  expect(stdout).toMatch(/^note {2}--runtime container is not available here: containers are made by root alone$/m);
  expect(stdout).toMatch(
    /^note {2}--network bridge is not available here: network namespaces are made by root alone;/m,
  );
});

test.skipIf(noRoot !== undefined)('without overlay mounts, as on such a mount itself', async () => {
  for (const name of ['lower', 'upper', 'work', 'data']) mkdirSync(join(folder, name));
  const data = `lowerdir=${folder}/lower,upperdir=${folder}/upper,workdir=${folder}/work`;
  const { stdout } = await coxswain(`mount -t overlay none -o ${data} ${folder}/data`, 'doctor');
  expect(stdout).toMatch(
    /^note {2}Layers of images are copied into each container in .*, as there are no overlay mounts: /m,
  );
  expect(readdirSync(join(folder, 'upper'))).toEqual([]);
  expect((await coxswain('true', 'doctor')).stdout).toMatch(/^ok {4}Layers of images are mounted \(overlay\) in /m);
});

test.skipIf(noRoot !== undefined).each([
  ['an OCI runtime', hide('runc'), ['--runtime', 'container'], 'there is no OCI runtime "runc": install runc'],
  [
    'nftables',
    hide('nft'),
    ['--network', 'bridge', '--runtime', 'container'],
    'there is no program "nft": install nftables',
  ],
])('a cluster that needs %s is refused in one line, and nothing is made', async (_, script, flags, said) => {
  const { code, stderr } = await coxswain(script, 'up', '--detach', '--name', 'lacking', ...flags);
  expect([code, stderr.trim().split('\n').length]).toEqual([1, 1]);
  expect(stderr).toContain(said);
  expect(readdirSync(folder).filter((name) => name !== '.cache')).toEqual([]);
});
