/**
 * `npm run bench`: measures a server over HTTPS, with the clients in a process of their own, and prints the figures beside those of the
 * design, or, in turns, beside those of another commit, of another server and of a bare server. Its own clusters are on the lmdb driver, in
 * temporary folders; they are ended and removed afterwards, on an interrupt too.
 */
import process from 'node:process';
import { errorText } from '#pkg/base/error-text.ts';
import { print } from './bench.ts';
import { Clients } from './clients.ts';
import { measureDecisions } from './decisions.ts';
import { measureGuest } from './guest.ts';
import { measureServingGuest } from './guest-server.ts';
import { measureInTurns } from './in-turns.ts';
import { measureMachines } from './machines.ts';
import { measureOnce } from './once.ts';
import { readOptions, usage } from './options.ts';

async function main(signal: AbortSignal): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    print(usage);
    return 0;
  }
  if (options.only.every((text) => text === 'guest')) {
    const results = [measureGuest(), await measureServingGuest(signal)];
    return results.every(Boolean) ? 0 : 1;
  }
  if (options.only.every((text) => text === 'decisions')) return measureDecisions() ? 0 : 1;
  if (options.only.every((text) => text === 'machines')) return (await measureMachines()) ? 0 : 1;
  const ending = new AsyncDisposableStack();
  try {
    const clients = new Clients(signal);
    ending.defer(() => clients.end());
    const bench = { options, clients, signal, ending };
    return (await (options.isInTurns ? measureInTurns(bench) : measureOnce(bench))) ? 0 : 1;
  } finally {
    await ending.disposeAsync();
  }
}

// The first interrupt ends what is under way, and then all that was started is ended as usual; a second one ends this process at once.
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => interrupted.abort(new Error('Stopped before the measurement was over')));
try {
  process.exitCode = await main(interrupted.signal);
} catch (error) {
  process.stderr.write(`bench: ${errorText(interrupted.signal.aborted ? interrupted.signal.reason : error)}\n`);
  process.exitCode = 1;
}
