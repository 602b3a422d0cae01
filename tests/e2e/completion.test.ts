/** What the shells make of `coxswain completion`, each of them really run where it is installed. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';

const main = join(root, 'cmd/coxswain/main.ts');
let folder: string;
let environment: NodeJS.ProcessEnv;

/** A `coxswain` on the path of a shell, and a machine on which a cluster was made. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coxswain-completion-'));
  const settings = {
    name: 'harbour',
    serviceCidr: '127.96.0.0/18',
    podCidr: '127.128.0.0/15',
    nodeAddress: '127.0.0.1',
  };
  mkdirSync(join(folder, 'home/harbour'), { recursive: true });
  writeFileSync(join(folder, 'home/harbour/cluster.json'), JSON.stringify({ settings }));
  const program = join(folder, 'coxswain');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  chmodSync(program, 0o755);
  environment = {
    ...process.env,
    PATH: `${folder}:${process.env.PATH}`,
    HOME: folder,
    COXSWAIN_HOME: join(folder, 'home'),
  };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[]): readonly string[] {
  const { status, stdout, stderr } = spawnSync(command, args, { env: environment, encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter((line) => line !== '');
}

const words = (...typed: readonly string[]): readonly string[] =>
  run(process.execPath, [main, 'completion', 'words', '--', ...typed]);

/** What bash makes of lines, of each of which the last word is completed. */
function inBash(...lines: readonly (readonly string[])[]): readonly string[] {
  const each = lines.map((typed) => {
    const quoted = ['coxswain', ...typed].map((word) => `'${word}'`).join(' ');
    return `COMP_WORDS=(${quoted}); COMP_CWORD=${typed.length}; _coxswain; echo "\${COMPREPLY[@]}."`;
  });
  const script = ['source <(coxswain completion bash)', 'complete -p coxswain >/dev/null || exit 9', ...each];
  return run('bash', ['--norc', '-c', script.join('\n')]);
}

test('bash completes commands, flags, their values and names of clusters', () => {
  expect(inBash(['sna'], ['up', '--sched'], ['up', '--network', 'b'], ['status', '--name', ''], ['sail', ''])).toEqual([
    'snapshot.',
    '--scheduling --scheduler-config.',
    'bridge.',
    'harbour.',
    '.',
  ]);
});

test('a command that has commands has theirs, and one without has flags', () => {
  expect(words('addon', '')).toEqual(['list', 'enable', 'disable', 'show', '--help']);
  expect(words('addon', 'enable', '-o', '')).toEqual(['json', 'yaml']);
  expect(words('addon', '-')).toEqual(['--help']);
  expect(words('addon', 'enable', 'gateway', '')).toEqual(['logs', 'pipeline', 'prometheus']);
  expect(words('logs', '')).toEqual(['export', '--help']);
  expect(words('logs', '--t')).toEqual(['--tail']);
  expect(words('logs', 'export', '--d')).toEqual(['--data-dir']);
  expect(words('')).toEqual(expect.arrayContaining(['up', 'down', 'config', 'completion', '--help']));
});

/** Why a shell cannot be asked; undefined where it can. */
const missing = (shell: string): string | undefined =>
  spawnSync(shell, ['-c', 'true']).error === undefined ? undefined : `${shell} is not installed`;

const noZsh = missing('zsh');
test.skipIf(noZsh !== undefined)(`zsh completes the same${noZsh === undefined ? '' : ` (skipped: ${noZsh})`}`, () => {
  const script = [
    // What the shell itself offers while it completes.
    `compdef() { : }; compadd() { print -l -- "\${(@P)2}" }; _files() { print files }`,
    'source <(coxswain completion zsh)',
    "words=(coxswain status --name ''); CURRENT=4; _coxswain",
    "words=(coxswain sail ''); CURRENT=3; _coxswain",
  ];
  expect(run('zsh', ['-f', '-c', script.join('\n')])).toEqual(['harbour', 'files']);
});

const noFish = missing('fish');
test.skipIf(noFish !== undefined)(
  `fish completes the same${noFish === undefined ? '' : ` (skipped: ${noFish})`}`,
  () => {
    const script = "coxswain completion fish | source; complete -C 'coxswain status --name h'";
    expect(run('fish', ['--no-config', '-c', script])).toContain('harbour');
  },
);

test('another shell is refused with one line', () => {
  const { status, stderr } = spawnSync(process.execPath, [main, 'completion', 'tcsh'], {
    env: environment,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([1, 'coxswain: say one of bash, zsh, fish (see "coxswain completion --help")\n']);
});
