/**
 * Runs scripts in a container: its files, environment and network, no process of the machine. Invariants: what a script begins has ended when it has, but
 * for what it put in the background, which ends with the shell; a script that is told to end does so at its next step; one that never waits for anything
 * lets others have their turn.
 * Source: POSIX.1-2024, Shell Command Language, section 2.
 */

import { sleep } from '#pkg/base/async.ts';
import { BytePipe } from '#pkg/base/byte-pipe.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { builtins } from './builtins.ts';
import { type Expander, expandPattern, expandText, expandWords } from './expand.ts';
import { BrokenPipe, Cancelled, CommandError, noInput, put, readAll, type Sink } from './io.ts';
import { Leave } from './leave.ts';
import { parse } from './parse.ts';
import { matches } from './pattern.ts';
import { openRedirects, type Streams } from './redirect.ts';
import { type AndOr, type Command, type List, type Pipeline, SyntaxProblem } from './syntax.ts';
import type { ContainerView, Invocation, TerminalView, Utility } from './utility.ts';

/** How deep functions and subshells may be inside of each other. */
const depthMax = 100;
/** Commands that a shell has in the background at most. */
const backgroundMax = 64;
/** Steps without a turn for others. */
const stepsMax = 32;
/** What a command ends with that was told to, and one that writes where nobody reads. */
const terminatedExitCode = 143;
const brokenPipeExitCode = 141;

interface Variable {
  value: string;
  isExported: boolean;
}

/** Where a script runs, and what it is given. */
export interface ShellOptions {
  readonly container: ContainerView;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** `$0`. */
  readonly name: string;
  readonly positional?: readonly string[];
  readonly terminal?: TerminalView | undefined;
  /** Commands by name, of the image and of all containers. */
  find(name: string): Utility | undefined;
}

/** One shell, with its variables and functions. */
export class Shell implements Expander {
  readonly container: ContainerView;
  readonly name: string;
  positional: readonly string[];
  cwd: string;
  isStrict = false;
  /** Ends at the first command that fails (`set -e`). */
  endsOnFailure = false;
  /** Shows commands before they are run (`set -x`). */
  isTracing = false;
  status = 0;
  /** What is run when the shell ends. */
  exitTrap: string | undefined;
  readonly terminal: TerminalView | undefined;
  signal: AbortSignal;
  readonly #options: ShellOptions;
  readonly #variables = new Map<string, Variable>();
  readonly #functions = new Map<string, Command>();
  readonly #background = new Set<Promise<number>>();
  readonly #depth: number;
  #loops = 0;
  #steps = 0;
  /** In a condition, where failures are no failures of the script. */
  #isAsked = 0;

  constructor(options: ShellOptions, parent?: Shell) {
    this.#options = options;
    this.container = options.container;
    this.signal = options.signal;
    this.cwd = options.cwd;
    this.name = options.name;
    this.positional = options.positional ?? [];
    this.terminal = options.terminal;
    this.#depth = parent === undefined ? 0 : parent.#depth + 1;
    if (this.#depth > depthMax) throw new CommandError('subshells are too deep', 2);
    for (const [name, value] of Object.entries(options.env)) this.#variables.set(name, { value, isExported: true });
    if (parent === undefined) return;
    for (const [name, variable] of parent.#variables) this.#variables.set(name, { ...variable });
    for (const [name, body] of parent.#functions) this.#functions.set(name, body);
    ({
      isStrict: this.isStrict,
      endsOnFailure: this.endsOnFailure,
      isTracing: this.isTracing,
      status: this.status,
    } = parent);
    this.#isAsked = parent.#isAsked;
  }

  get files() {
    return this.container.files;
  }

  get(name: string): string | undefined {
    return this.#variables.get(name)?.value;
  }

  set(name: string, value: string): void {
    const variable = this.#variables.get(name);
    if (variable === undefined) this.#variables.set(name, { value, isExported: false });
    else variable.value = value;
  }

  unset(name: string): void {
    if (!this.#variables.delete(name)) this.#functions.delete(name);
  }

  export(name: string): void {
    const variable = this.#variables.get(name);
    if (variable === undefined) this.#variables.set(name, { value: '', isExported: true });
    else variable.isExported = true;
  }

  /** Names and values, in order. */
  variables(): readonly (readonly [string, string])[] {
    return [...this.#variables].map(([name, { value }]) => [name, value] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  get env(): Record<string, string> {
    const exported = [...this.#variables].filter(([, { isExported }]) => isExported);
    return Object.fromEntries(exported.map(([name, { value }]) => [name, value]));
  }

  special(name: string): string | undefined {
    if (name === '?') return String(this.status);
    if (name === '#') return String(this.positional.length);
    if (name === '$') return '1';
    if (name === '0') return this.name;
    if (name === '-') return `${this.endsOnFailure ? 'e' : ''}${this.isStrict ? 'u' : ''}${this.isTracing ? 'x' : ''}`;
    return name === '!' ? '' : this.positional[Number(name) - 1];
  }

  isFunction(name: string): boolean {
    return this.#functions.has(name);
  }

  find(name: string): Utility | undefined {
    return this.#options.find(name);
  }

  /** What a script writes, for `$(…)`. */
  async substitute(script: List): Promise<string> {
    const output = new BytePipe();
    const shell = this.#child();
    const running = shell.runToEnd(script, { stdin: noInput, stdout: output, stderr: this.#errors ?? output });
    const text = readAll(output).finally(() => output.cancel());
    const status = await running.finally(() => output.end());
    this.status = status;
    return (await text).toString();
  }

  #errors: Sink | undefined;

  /** Runs a script as one shell of its own. Resolves with its exit code; rejects only with `Cancelled`. */
  async run(script: string, streams: Streams): Promise<number> {
    let list: List;
    try {
      list = parse(script);
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      await put(streams.stderr, `${this.name}: ${error.message}\n`).catch(() => {});
      return 2;
    }
    return this.runToEnd(list, streams);
  }

  /** Runs a tree, then what was left for the end, and waits for what is in the background no longer than it is told to. */
  async runToEnd(list: List, streams: Streams): Promise<number> {
    let status = await this.#leaving(() => this.list(list, streams));
    const { exitTrap } = this;
    if (exitTrap !== undefined) {
      this.exitTrap = undefined;
      this.status = status;
      const afterwards = await this.#leaving(() => this.list(parse(exitTrap), streams));
      if (this.signal.aborted) status = afterwards;
    }
    return status;
  }

  async #leaving(run: () => Promise<number>): Promise<number> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof Leave) return error.value & 255;
      if (error instanceof BrokenPipe) return brokenPipeExitCode;
      throw error;
    }
  }

  /** Runs commands in this shell. */
  async list(list: List, streams: Streams): Promise<number> {
    for (const one of list) {
      if (one.isBackground) this.#inBackground(one, streams);
      else await this.#andOr(one, streams);
    }
    return this.status;
  }

  /** Waits for all that is in the background. */
  async wait(): Promise<number> {
    await Promise.all(this.#background);
    return 0;
  }

  #inBackground(one: AndOr, streams: Streams): void {
    if (this.#background.size >= backgroundMax) throw new CommandError('too many commands in the background', 2);
    const shell = this.#child();
    const quiet = { ...streams, stdin: noInput };
    const running = shell.runToEnd([{ ...one, isBackground: false }], quiet).catch(() => terminatedExitCode);
    this.#background.add(running);
    void running.then(() => this.#background.delete(running));
    this.status = 0;
  }

  async #andOr({ first, rest }: AndOr, streams: Streams): Promise<void> {
    let isLast = rest.length === 0;
    await this.#pipeline(first, streams, isLast);
    for (const [index, { operator, pipeline }] of rest.entries()) {
      isLast = index === rest.length - 1;
      if ((this.status === 0) === (operator === '&&')) await this.#pipeline(pipeline, streams, isLast);
    }
  }

  async #pipeline({ isNegated, commands }: Pipeline, streams: Streams, isLast: boolean): Promise<void> {
    await this.#step();
    if (isNegated || !isLast) this.#isAsked++;
    try {
      this.status =
        commands.length === 1 ? await this.#command(commands[0]!, streams) : await this.#pipe(commands, streams);
    } finally {
      if (isNegated || !isLast) this.#isAsked--;
    }
    if (isNegated) this.status = this.status === 0 ? 1 : 0;
    else if (this.status !== 0 && this.endsOnFailure && this.#isAsked === 0 && isLast)
      throw new Leave('exit', this.status);
  }

  /** Each command in a shell of its own, all at once, until the last and all others have ended. */
  async #pipe(commands: readonly Command[], streams: Streams): Promise<number> {
    const pipes = commands.slice(1).map(() => new BytePipe());
    const running = commands.map(async (command, index) => {
      const before = pipes[index - 1];
      const after = pipes[index];
      const shell = this.#child();
      try {
        return await shell.#leaving(() =>
          shell.#command(command, { ...streams, stdin: before ?? streams.stdin, stdout: after ?? streams.stdout }),
        );
      } finally {
        after?.end();
        before?.cancel();
      }
    });
    const statuses = await Promise.all(running);
    if (this.signal.aborted) throw new Cancelled();
    return statuses.at(-1)!;
  }

  /** Lets others have their turn now and then. Throws `Cancelled` once the shell was told to end. */
  async #step(): Promise<void> {
    if (++this.#steps % stepsMax === 0) await sleep(this.container.program.clock, 0);
    if (this.signal.aborted) throw new Cancelled();
  }

  async #command(command: Command, streams: Streams): Promise<number> {
    if (command.kind === 'simple') return this.#simple(command, streams);
    return this.#redirected(command.redirects, streams, (inner) => this.#compound(command, inner));
  }

  async #redirected(
    redirects: Command['redirects'],
    streams: Streams,
    run: (streams: Streams) => Promise<number>,
  ): Promise<number> {
    if (redirects.length === 0) return run(streams);
    let opened: Awaited<ReturnType<typeof openRedirects>>;
    try {
      opened = await openRedirects(redirects, streams, { expander: this, input: (word) => expandText(word, this) });
    } catch (error) {
      return this.#failed(error, streams.stderr);
    }
    try {
      return await run(opened.streams);
    } finally {
      await opened.close();
    }
  }

  async #compound(command: Exclude<Command, { readonly kind: 'simple' }>, streams: Streams): Promise<number> {
    switch (command.kind) {
      case 'group': {
        if (!command.isSubshell) return this.list(command.body, streams);
        return this.#child().runToEnd(command.body, streams);
      }
      case 'if': {
        for (const { condition, body } of command.branches) {
          if ((await this.#condition(condition, streams)) === 0) return this.#body(body, streams);
        }
        return command.otherwise === undefined ? 0 : this.#body(command.otherwise, streams);
      }
      case 'loop': {
        let status = 0;
        await this.#loop(async () => {
          if (((await this.#condition(command.condition, streams)) === 0) === command.isUntil) return false;
          status = await this.#body(command.body, streams);
          return true;
        });
        return status;
      }
      case 'for': {
        const values = command.words === undefined ? [...this.positional] : await expandWords(command.words, this);
        let status = 0;
        await this.#loop(async () => {
          const value = values.shift();
          if (value === undefined) return false;
          this.set(command.name, value);
          status = await this.#body(command.body, streams);
          return true;
        });
        return status;
      }
      case 'case': {
        const subject = await expandText(command.subject, this);
        for (const { patterns, body } of command.branches) {
          for (const pattern of patterns) {
            if (matches(await expandPattern(pattern, this), subject)) return this.#body(body, streams);
          }
        }
        return 0;
      }
      case 'function':
        this.#functions.set(command.name, command.body);
        return 0;
    }
  }

  async #condition(list: List, streams: Streams): Promise<number> {
    this.#isAsked++;
    try {
      this.status = 0;
      return await this.list(list, streams);
    } finally {
      this.#isAsked--;
    }
  }

  #body(list: List, streams: Streams): Promise<number> {
    this.status = 0;
    return this.list(list, streams);
  }

  /** Takes turns until one says that it is over, or is left. */
  async #loop(turn: () => Promise<boolean>): Promise<void> {
    this.#loops++;
    try {
      for (;;) {
        await this.#step();
        try {
          if (!(await turn())) return;
        } catch (error) {
          if (!(error instanceof Leave) || (error.kind !== 'break' && error.kind !== 'continue')) throw error;
          // One of an outer loop.
          if (error.value > 1 && this.#loops > 1) throw new Leave(error.kind, error.value - 1);
          if (error.kind === 'break') return;
        }
      }
    } finally {
      this.#loops--;
    }
  }

  async #simple(command: Extract<Command, { readonly kind: 'simple' }>, streams: Streams): Promise<number> {
    this.#errors = streams.stderr;
    let words: string[];
    const assigned: [string, string][] = [];
    try {
      const before = this.status;
      words = await expandWords(command.words, this);
      if (command.words.length === 0 && command.assignments.length > 0) this.status = 0;
      for (const { name, value } of command.assignments) assigned.push([name, await expandText(value, this)]);
      if (words.length === 0) {
        for (const [name, value] of assigned) this.set(name, value);
        const status = command.assignments.length === 0 && command.redirects.length === 0 ? before : this.status;
        return await this.#redirected(command.redirects, streams, async () => status);
      }
    } catch (error) {
      return this.#fatal(error, streams.stderr);
    }
    if (this.isTracing) await put(streams.stderr, `+ ${words.join(' ')}\n`);
    return this.#redirected(command.redirects, streams, (inner) =>
      this.invoke(words, inner, Object.fromEntries(assigned)),
    );
  }

  /** Runs a command by its words. */
  async invoke(
    words: readonly string[],
    streams: Streams,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const [name = '', ...args] = words;
    const body = this.#functions.get(name);
    if (body !== undefined) return this.#function(body, args, streams);
    try {
      if (Object.hasOwn(builtins, name)) {
        for (const [key, value] of Object.entries(extra)) this.set(key, value);
        return await builtins[name]!(this, args, streams);
      }
      const utility = this.find(name);
      if (utility === undefined) {
        await put(streams.stderr, `${this.name}: ${name}: not found\n`);
        return 127;
      }
      return await runUtility(utility, name, {
        container: this.container,
        args,
        env: { ...this.env, ...extra },
        cwd: this.cwd,
        ...streams,
        signal: this.signal,
        terminal: this.terminal,
        run: (inner) => this.#child().invoke(inner, streams),
      });
    } catch (error) {
      return this.#failed(error, streams.stderr, name);
    }
  }

  async #function(body: Command, args: readonly string[], streams: Streams): Promise<number> {
    const { positional } = this;
    if (this.#scopes.length >= depthMax) throw new CommandError('functions are too deep', 2);
    this.#scopes.push(new Map());
    this.positional = args;
    try {
      return await this.#command(body, streams);
    } catch (error) {
      if (error instanceof Leave && error.kind === 'return') return error.value & 255;
      throw error;
    } finally {
      this.positional = positional;
      for (const [name, variable] of this.#scopes.pop()!) {
        if (variable === undefined) this.#variables.delete(name);
        else this.#variables.set(name, variable);
      }
    }
  }

  /** Keeps a variable's value for when the function ends. Throws outside of one. */
  local(name: string): void {
    const scope = this.#scopes.at(-1);
    if (scope === undefined) throw new CommandError('local: not in a function', 2);
    if (!scope.has(name)) scope.set(name, this.#variables.get(name));
    this.#variables.delete(name);
  }

  readonly #scopes: Map<string, Variable | undefined>[] = [];

  /** Tells an error of a command; others go on to whoever runs the shell. */
  async #failed(error: unknown, stderr: Sink, name = ''): Promise<number> {
    if (error instanceof Leave || error instanceof Cancelled || error instanceof BrokenPipe) throw error;
    const prefix = name === '' ? this.name : name;
    await put(stderr, `${prefix}: ${errorText(error)}\n`);
    return error instanceof CommandError ? error.exitCode : 1;
  }

  /** An expansion that fails ends the script. */
  async #fatal(error: unknown, stderr: Sink): Promise<number> {
    const status = await this.#failed(error, stderr);
    throw new Leave('exit', status);
  }

  #child(): Shell {
    const { cwd, positional, signal } = this;
    return new Shell({ ...this.#options, env: {}, cwd, positional, signal }, this);
  }
}

/** Runs one command; resolves with its exit code, also when it is told to end. Rejects with `Cancelled` and `BrokenPipe` alone. */
export async function runUtility(utility: Utility, name: string, invocation: Invocation): Promise<number> {
  try {
    return (await utility(invocation)) & 255;
  } catch (error) {
    if (invocation.signal.aborted) throw new Cancelled();
    if (error instanceof BrokenPipe || error instanceof Cancelled || error instanceof Leave) throw error;
    await put(invocation.stderr, `${name}: ${errorText(error)}\n`);
    return error instanceof CommandError ? error.exitCode : 1;
  }
}
