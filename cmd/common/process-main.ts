/**
 * What the main of every single process does: flags, configuration file, log, health endpoint, process file, signals. Each
 * `cmd/<process>/main.ts` gives its table of flags and its wiring.
 */
import { basename } from 'node:path';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type Clock, formatTimestamp, SystemClock } from '#pkg/base/clock.ts';
import type { Logger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { type Random, SystemRandom } from '#pkg/base/random.ts';
import type { Component } from '#pkg/component/component.ts';
import { countFeatures, featuresOf } from '#pkg/component/feature-gates.ts';
import { type FlagTable, type FlagValues, fieldOf, helpText, integer, parseFlags, text } from '#pkg/component/flags.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { createLogger, type LogFormat, type LogLevel, logLevels } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { readConfigFile, wrongConfig } from './config-file.ts';
import { explain } from './errors.ts';
import { serveHealth } from './health-server.ts';
import { heapLimit } from './heap-limit.ts';
import { storeCompiledCode } from './load-code.js';
import { returningMemory } from './memory.ts';
import { HeldError, holdProcessFile, processIdentity } from './process-files.ts';

/** Flags that every process takes. */
const commonFlags = {
  config: text({ help: 'A YAML file with these flags as fields; the command line comes first.', placeholder: 'file' }),
  'healthz-port': integer({ help: 'Port of /healthz; 0 takes any free one.', fallback: 0, max: 65_535 }),
  'healthz-bind-address': text({ help: 'Address of /healthz.', fallback: '127.0.0.1', placeholder: 'address' }),
  'log-level': text({ help: 'Least level that is logged.', fallback: 'info', allowed: logLevels }),
  'log-format': text({ help: 'Form of log lines.', fallback: 'text', allowed: ['text', 'json'] }),
  'process-file': text({
    help: 'File that says where this process is and keeps a second one out.',
    placeholder: 'file',
  }),
} satisfies FlagTable;

/** What the wiring of a process is given. */
export interface ProcessContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly health: HealthChecks;
  /** Given out at `/metrics` beside what the process uses. */
  readonly metrics: Metrics;
}

/** What one process is: its name, its flags, and how it is put together from them. */
export interface ProcessSpec<T extends FlagTable> {
  /** Name of the process, such as `kube-scheduler`. */
  readonly name: string;
  readonly summary: string;
  readonly flags: T;
  /** Kinds of files that `--config` may name in place of one with flags, and the flag that each is for. */
  readonly documents?: Readonly<Record<string, keyof T & string>>;
  /** Longest wait for it to stop, in milliseconds. Default: that of `runUntilSignal`. */
  stopMsMax?(values: FlagValues<T>): number;
  /** Builds the process. Errors here end it with one line. */
  wire(values: FlagValues<T>, context: ProcessContext): Promise<Component>;
}

/** Runs a process to its end and sets the exit code. */
export async function processMain<T extends FlagTable>(spec: ProcessSpec<T>): Promise<void> {
  try {
    await run(spec);
  } catch (error) {
    process.stderr.write(`${spec.name}: ${explain(error)}\n`);
    process.exitCode = 1;
  }
}

async function run<T extends FlagTable>(spec: ProcessSpec<T>): Promise<void> {
  const table = { ...spec.flags, ...commonFlags };
  const args = process.argv.slice(2);
  const first = parseFlags(table, args);
  if (!first.ok) throw new UserError(`${first.message} (see --help)`);
  if (first.help) {
    process.stdout.write(
      helpText(table, {
        usage: `node cmd/${spec.name.replace(/^kube-(?!proxy)/, '')}/main.ts [flags]`,
        summary: spec.summary,
      }),
    );
    return;
  }
  const values = first.values as unknown as FlagValues<typeof commonFlags>;
  const config =
    values.config === '' ? undefined : await readConfig(values.config, { table, documents: spec.documents });
  const parsed = config === undefined ? first : parseFlags(table, args, { config });
  if (!parsed.ok) throw wrongConfig(values.config, parsed.message);
  if (parsed.rest.length > 0) throw new UserError(`unexpected argument: ${parsed.rest[0]} (see --help)`);
  await serve(spec, parsed.values as unknown as FlagValues<T> & FlagValues<typeof commonFlags>);
}

async function serve<T extends FlagTable>(
  spec: ProcessSpec<T>,
  values: FlagValues<T> & FlagValues<typeof commonFlags>,
): Promise<void> {
  const clock = new SystemClock();
  // A log on a disk that is full must not end what runs here.
  process.stderr.on('error', () => {});
  const log = createLogger({
    write: (line) => process.stderr.write(line),
    clock,
    level: values['log-level'] as LogLevel,
    format: values['log-format'] as LogFormat,
  });
  const health = new HealthChecks();
  const metrics = new Metrics();
  const given: Readonly<Record<string, unknown>> = values;
  if (Object.hasOwn(given, 'feature-gates')) countFeatures(metrics, featuresOf(given['feature-gates']));
  const held =
    values['process-file'] === ''
      ? undefined
      : await hold(basename(values['process-file'], '.json'), values['process-file'], clock);
  try {
    const component = await spec.wire(values, { clock, random: new SystemRandom(), log, health, metrics });
    const server = await serveHealth(health, values['healthz-port'], values['healthz-bind-address'], {
      clock,
      log,
      metrics,
      about: {
        name: spec.name,
        startedMs: clock.nowMs(),
        flags: values,
        config: { [spec.name]: configOf(values) },
      },
    });
    await held?.update({ healthz: server.url });
    storeCompiledCode();
    heapLimit.set();
    log.info('Started', { process: spec.name, pid: process.pid, healthz: server.url });
    try {
      await runUntilSignal(
        {
          signals: process,
          clock,
          forceExit: (code) => process.exit(code),
          onStopping: () => log.info('Stopping'),
          ...(spec.stopMsMax === undefined ? {} : { stopMsMax: spec.stopMsMax(values) }),
        },
        (signal) => returningMemory({ clock, signal }, () => component.run(signal)),
      );
    } finally {
      await server.close();
    }
    log.info('Stopped');
  } finally {
    await held?.release();
  }
}

/** The flags as the fields of a configuration file. */
function configOf(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const field = (flag: string): string => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(values).map(([flag, value]) => [field(flag), value]));
}

async function hold(name: string, path: string, clock: Clock) {
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const startedAt = formatTimestamp(clock.nowMs());
  try {
    return await holdProcessFile(path, {
      name,
      pid: process.pid,
      identity: processIdentity(process.pid),
      startedAt,
      command,
    });
  } catch (error) {
    if (!(error instanceof HeldError)) throw error;
    throw new UserError(
      `Cannot start as process ${error.holder.pid} already is the ${name} of this cluster: stop it first`,
      error,
    );
  }
}

interface ConfigReading {
  readonly table: FlagTable;
  readonly documents: Readonly<Record<string, string>> | undefined;
}

async function readConfig(path: string, { table, documents = {} }: ConfigReading): Promise<JsonObject> {
  const config = await readConfigFile(path);
  const flag = Object.entries(documents).find(([kind]) => kind === config.kind)?.[1];
  if (flag !== undefined) return { [fieldOf(flag)]: path };
  const { configProblem } = await import('#pkg/component/config-check.ts');
  const problem = configProblem(table, config);
  if (problem !== undefined) throw wrongConfig(path, problem);
  return config;
}
