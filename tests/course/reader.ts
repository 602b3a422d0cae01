/**
 * Somebody who works through a page: a shell with a home of its own, in the checkout, where `npx coxswain` is this checkout's and `kubectl` is the one that it brings.
 * Clusters that a page leaves behind are removed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { root } from '#tests/tidy/source-files.ts';

/** Longest time for one command, on a slow machine. */
const commandMs = 300_000;
const clock = new SystemClock();
const coxswain = join(root, 'cmd/coxswain/bin.js');

/** A reader at a terminal. */
export class Reader {
  readonly #home: string;
  readonly #shell: ChildProcess;
  #text = '';
  #heard = (): void => {};
  #serial = 0;

  constructor() {
    this.#home = mkdtempSync(join(tmpdir(), 'course-'));
    const programs = join(this.#home, 'bin');
    mkdirSync(programs);
    const node = process.execPath;
    const own = `if [ "$1" = coxswain ]; then shift; exec ${node} ${coxswain} "$@"; fi`;
    writeProgram(join(programs, 'npx'), `${own}\nif [ "$1" = node ]; then shift; exec ${node} "$@"; fi\nexit 127`);
    writeProgram(join(programs, 'kubectl'), `exec ${node} ${coxswain} kubectl "$@"`);
    const { KUBECONFIG: _, ...inherited } = process.env;
    const env = { ...inherited, HOME: this.#home, PATH: `${programs}:${process.env.PATH}`, NO_COLOR: '1', PS1: '' };
    this.#shell = spawn('bash', ['--noprofile', '--norc'], { cwd: root, env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#shell.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text;
      this.#heard();
    });
    this.#shell.on('exit', () => this.#heard());
    this.#shell.stdin!.write('exec 2>&1\n');
  }

  /** Types a command and waits for what it prints. Throws when the shell ends or the command does not. */
  async type(command: string): Promise<readonly string[]> {
    const mark = `--end-of-step-${++this.#serial}--`;
    this.#text = '';
    const printed = new Promise<string>((resolve, reject) => {
      const limit = clock.setTimeout(() => reject(new Error(`it does not end: ${this.#text}`)), commandMs);
      this.#heard = () => {
        const end = this.#text.indexOf(mark);
        if (end < 0 && this.#shell.exitCode === null) return;
        limit.cancel();
        if (end < 0) reject(new Error(`the shell has ended: ${this.#text}`));
        else resolve(this.#text.slice(0, end));
      };
    });
    this.#shell.stdin!.write(`${command}\nprintf '%s' '${mark}'\n`);
    const text = (await printed).replaceAll(this.#home, '~');
    return text === '' ? [] : text.replace(/\n$/, '').split('\n');
  }

  /** Removes the clusters there are, and the home. */
  async leave(): Promise<void> {
    try {
      await this.type(
        'for name in $(ls ~/.coxswain 2>/dev/null); do npx coxswain down --name $name --delete-data; done',
      );
    } finally {
      this.#shell.stdin!.end();
      this.#shell.kill();
      rmSync(this.#home, { recursive: true, force: true });
    }
  }
}

function writeProgram(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
