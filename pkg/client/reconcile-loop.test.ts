/** The contract of every controller's loop. */
import { expect, test } from 'vitest';
import { conflict } from '#pkg/apimachinery/status-error.ts';
import type { LogFields, Logger } from '#pkg/base/logger.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createWorkQueue } from './queue.ts';
import { runReconcileLoop } from './reconcile-loop.ts';
import { type Reconcile, TerminalError } from './work-queue.ts';

class Lines implements Logger {
  readonly #lines: string[];
  readonly #fields: LogFields;

  constructor(lines: string[], fields: LogFields = {}) {
    this.#lines = lines;
    this.#fields = fields;
  }

  debug = (message: string, fields: LogFields = {}): void => this.#add('debug', message, fields);
  info = (message: string, fields: LogFields = {}): void => this.#add('info', message, fields);
  warn = (message: string, fields: LogFields = {}): void => this.#add('warn', message, fields);
  error = (message: string, fields: LogFields = {}): void => this.#add('error', message, fields);

  with(fields: LogFields): Logger {
    return new Lines(this.#lines, { ...this.#fields, ...fields });
  }

  #add(level: string, message: string, fields: LogFields): void {
    const { controller, key, reconcileId } = { ...this.#fields, ...fields };
    this.#lines.push(`${level}: ${message} (${controller} ${key} ${reconcileId})`);
  }
}

/** Runs the loop over one key for `seconds` of virtual time. */
async function run(reconcile: Reconcile, seconds = 1) {
  const clock = new VirtualClock();
  const metrics = new Metrics();
  const lines: string[] = [];
  const queue = createWorkQueue({ name: 'greeter', clock, metrics });
  const stop = new AbortController();
  const options = { name: 'greeter', queue, reconcile, workers: 2, log: new Lines(lines), clock, metrics };
  const running = runReconcileLoop(options, stop.signal);
  queue.add('a');
  await clock.advance(seconds * 1_000);
  stop.abort();
  await running;
  const values = new Map(
    metrics
      .families()
      .flatMap(({ name, samples }) =>
        samples.map(({ suffix = '', labels, value }) => [`${name}${suffix} ${Object.values(labels).join(' ')}`, value]),
      ),
  );
  return { lines, value: (name: string) => values.get(name) };
}

test('turns are counted by their result and timed, and so are the waits of their keys', async () => {
  let turns = 0;
  const { value } = await run(async () => (turns++ < 2 ? { requeueAfterMs: 100 } : undefined));
  expect(turns).toBe(3);
  expect(value('controller_runtime_reconcile_total greeter requeue_after')).toBe(2);
  expect(value('controller_runtime_reconcile_total greeter success')).toBe(1);
  expect(value('controller_runtime_reconcile_total greeter error')).toBe(0);
  expect(value('controller_runtime_reconcile_time_seconds_count greeter')).toBe(3);
  expect(value('controller_runtime_max_concurrent_reconciles greeter')).toBe(2);
  expect(value('controller_runtime_active_workers greeter')).toBe(0);
  expect(value('workqueue_adds_total greeter')).toBe(3);
  expect(value('workqueue_retries_total greeter')).toBe(2);
  expect(value('workqueue_work_duration_seconds_count greeter')).toBe(3);
  expect(value('workqueue_depth greeter')).toBe(0);
});

test('what is terminal is told of once and not tried again', async () => {
  const { lines, value } = await run(async () => {
    throw new TerminalError('the expression never fires');
  }, 2_000);
  expect(lines).toEqual(['error: Reconcile failed for good, waiting for a change (greeter a 1)']);
  expect(value('controller_runtime_terminal_reconcile_errors_total greeter')).toBe(1);
  expect(value('controller_runtime_reconcile_errors_total greeter')).toBe(1);
});

test('a fault of the program ends a turn and not the loop', async () => {
  let turns = 0;
  const { lines, value } = await run(() => {
    if (turns++ === 0) throw new TypeError('x is undefined');
    return Promise.resolve(undefined);
  });
  expect(lines).toEqual(['error: Reconcile broke off by a fault of the program, trying again (greeter a 1)']);
  expect(value('controller_runtime_reconcile_panics_total greeter')).toBe(1);
  expect(value('controller_runtime_reconcile_total greeter success')).toBe(1);
});

test('a lost race is no warning, and each turn has an id of its own in its lines', async () => {
  let turns = 0;
  const { lines } = await run(async (_key, _signal, { log }) => {
    turns++;
    log.info('Looking');
    if (turns === 1) throw conflict({ group: '', resource: 'pods' }, 'a', 'it has changed');
    return undefined;
  });
  expect(lines).toEqual([
    'info: Looking (greeter a 1)',
    'debug: Reconcile lost a race, trying again (greeter a 1)',
    'info: Looking (greeter a 2)',
  ]);
});
