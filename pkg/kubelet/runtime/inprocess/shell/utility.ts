/** What a command of a container is given. One is a function; its name and its place are in `commands/table.ts`. */
import type { ProgramContext } from '../program.ts';
import type { ContainerFiles } from './files.ts';
import type { Sink, Source } from './io.ts';

/** The terminal that a command has, if it has one. */
export interface TerminalView {
  readonly columns: number;
  readonly rows: number;
}

/** A process of the container, as `ps` shows it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly command: readonly string[];
  /** Ends it. */
  signal(name: string): void;
}

/** What all commands of a container have in common. */
export interface ContainerView {
  readonly program: ProgramContext;
  readonly files: ContainerFiles;
  readonly workingDir: string;
  processes(): readonly ProcessEntry[];
  /** A command by its name. */
  find(name: string): Utility | undefined;
}

/** One call of a command. */
export interface Invocation {
  readonly container: ContainerView;
  /** Without the command's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A path of the container. */
  readonly cwd: string;
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly signal: AbortSignal;
  readonly terminal?: TerminalView | undefined;
  /** Runs another command with the same input and output. */
  run(words: readonly string[]): Promise<number>;
}

/** Resolves with the exit code. What it throws is told on its standard error and ends it with 1. */
export type Utility = (invocation: Invocation) => Promise<number> | number;

/** Options of the usual form, which may be written together (`-la`), and what is left. */
export interface ParsedArguments {
  readonly flags: ReadonlySet<string>;
  /** Of options that take a value. */
  readonly values: Readonly<Record<string, string>>;
  readonly operands: readonly string[];
}
