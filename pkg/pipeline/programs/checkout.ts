/**
 * The program of the step `checkout`: puts the files of a commit into a folder. Arguments: the repository, the commit, the folder; all paths of the machine.
 * Symbolic links become files that hold where they led, so that nothing of the sources leads out of them.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

const [repository = '', commit = '', folder = ''] = process.argv.slice(2);
const index = `${folder}.index`;

function git(...args: readonly string[]): string {
  const settings = [
    `--git-dir=${repository}`,
    `--work-tree=${folder}`,
    '-c',
    'core.symlinks=false',
    '-c',
    'core.bare=false',
  ];
  const env = { PATH: process.env.PATH, LC_ALL: 'C', GIT_INDEX_FILE: index, GIT_CONFIG_NOSYSTEM: '1', HOME: folder };
  return execFileSync('git', [...settings, ...args], {
    env,
    encoding: 'utf8',
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

try {
  // What an earlier try has left is no part of the commit.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  git('read-tree', commit);
  git('checkout-index', '--all', '--force');
  const log = git('log', '-1', '--format=%h %an: %s', commit).trim();
  process.stdout.write(`${log}\n`);
  writeFileSync('/dev/termination-log', log);
} catch (error) {
  const { stderr = String(error) } = error instanceof Error && 'stderr' in error ? error : {};
  process.stderr.write(`Cannot check out ${commit}: ${String(stderr).trim()}\n`);
  process.exitCode = 1;
} finally {
  rmSync(index, { force: true });
}
