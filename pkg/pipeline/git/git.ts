/** Runs git on the repositories of pipelines: with no configuration but theirs, and a limit on time. */
import { execFile } from 'node:child_process';

const commandMs = 60_000;
const outputBytesMax = 16 << 20;

/** What git has in its environment: nothing of the machine's configuration, nor a terminal to ask at. */
export function gitEnvironment(path: string | undefined): Record<string, string> {
  return {
    PATH: path ?? '/usr/bin:/bin',
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    HOME: '/nonexistent',
  };
}

/** Runs a command of git in a folder; resolves to its output. Rejects with git's own words. */
export function git(folder: string, args: readonly string[], path?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, env: gitEnvironment(path), timeout: commandMs, maxBuffer: outputBytesMax };
    const child = execFile('git', [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(
          new Error(`Cannot run git ${args[0] ?? ''} as it says: ${stderr.trim() || error.message}`, { cause: error }),
        );
    });
    // A command that reads its input finds none.
    child.stdin?.end();
  });
}
