/** Starts the monitor's process, which outlives the one that starts it. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Name of its socket in its folder. */
export const socketName = 'monitor';

/** Name of the file with its number, in its folder. */
export const pidName = 'monitor.pid';

/** It keeps next to nothing: a small heap, and no warning that it uses what Node calls experimental. */
const flags = ['--max-old-space-size=128', '--max-semi-space-size=2', '--disable-warning=ExperimentalWarning'];

/** Lets one that was stopped go on: it was part of a cluster that stood still, whose other processes are gone. Nothing where there is none. */
export function wakeMonitor(folder: string): void {
  try {
    const pid = Number(readFileSync(join(folder, pidName), 'latin1'));
    // Its number may be another's by now.
    if (readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(folder)) process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended.
  }
}

/** Starts it, to work in a folder. Resolves once it listens, or has ended without: who connects finds out. What goes wrong is in `monitor.log` of the folder. */
export function startMonitor(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const main = fileURLToPath(new URL(`./monitor-main.${extension}`, import.meta.url));
  const log = openSync(join(folder, 'monitor.log'), 'a', 0o600);
  // Nothing of this process: neither its environment, nor its descriptors, nor its terminal's signals.
  const child = spawn(process.execPath, [...flags, main, folder], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', log],
    detached: true,
  });
  closeSync(log);
  child.unref();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout?.once('close', resolve);
    child.stdout?.once('data', () => child.stdout?.destroy());
  });
}
