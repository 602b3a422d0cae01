/** The kube-apiserver stand-in of `coxswain envtest` as a process. */
import { explain } from '#cmd/common/errors.ts';
import { heapLimit } from '#cmd/common/heap-limit.ts';
import { keepCompiledCode, storeCompiledCode } from '#cmd/common/load-code.js';
import { SystemClock } from '#pkg/base/clock.ts';
import { Metrics } from '#pkg/base/metrics.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import { helpText } from '#pkg/component/flags.ts';
import { HealthChecks } from '#pkg/component/health.ts';
import { createLogger } from '#pkg/component/logger.ts';
import { runUntilSignal } from '#pkg/component/signals.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { type StandInValues, standInArguments, standInFlags } from './options.ts';

keepCompiledCode();
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`Error: ${explain(error)}\n`);
  process.exitCode = 1;
}

async function main(args: readonly string[]): Promise<void> {
  const read = standInArguments(args);
  if (read.kind === 'refused') throw new UserError(`${read.message} (see --help)`);
  if (read.kind === 'run') {
    await serve(read.values);
    return;
  }
  const summary =
    'The stand-in for kube-apiserver of "coxswain envtest": an API server over the data of the etcd stand-in.';
  process.stdout.write(helpText(standInFlags, { usage: 'kube-apiserver [flags]', summary }));
}

async function serve(values: StandInValues): Promise<void> {
  const clock = new SystemClock();
  // Whoever started it may not read what it says.
  process.stderr.on('error', () => {});
  const log = createLogger({ write: (line) => process.stderr.write(line), clock, level: 'info', format: 'text' });
  const { wireStandIn } = await import('./wiring.ts');
  const component = await wireStandIn(values, {
    clock,
    random: new SystemRandom(),
    log,
    health: new HealthChecks(),
    metrics: new Metrics(),
    controllers: process.env.COXSWAIN_CONTROLLERS ?? '',
  });
  storeCompiledCode();
  heapLimit.set();
  await runUntilSignal(
    { signals: process, clock, forceExit: (code) => process.exit(code), onStopping: () => log.info('Stopping') },
    (signal) => component.run(signal),
  );
}
