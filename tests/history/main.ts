/**
 * Runs clients against a site while a nemesis is at work, and judges what they saw.
 *
 * `node tests/history/main.ts --store etcd|lmdb --seconds 600 --seed 1 [--own-network] [--own-mounts]` goes through all faults in an order that follows from the seed, again
 * and again until the time is over, but at least once. It prints one JSON object: how often each fault took effect, what the clients did, and the problems.
 * Links are cut with `--own-network` alone, which says that this process has a network namespace of its own (`unshare --net`), and disks are filled with
 * `--own-mounts` alone: it has a mount namespace of its own (`unshare --mount`), in which they are made.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sleep } from '#pkg/base/async.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import { problemsOf } from './check.ts';
import { Clients } from './clients.ts';
import { faultsOf } from './nemesis.ts';
import { clientOf, startSite } from './site.ts';

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'etcd' },
    seconds: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    'own-network': { type: 'boolean', default: false },
    'own-mounts': { type: 'boolean', default: false },
  },
});
const store = values.store === 'lmdb' ? 'lmdb' : 'etcd';
const seed = Number(values.seed);
const clock = new SystemClock();
/** Without faults between two of them, so that clients see both. */
const calmMs = 1_000;
const problemsShown = 20;
/** Tries of one fault that take no effect. */
const triesMax = 5;

const folder = mkdtempSync(join(tmpdir(), 'coxswain-history-'));
const site = await startSite({ folder, store, hasOwnMounts: values['own-mounts'] });
// Who is told to end leaves nothing running.
process.once('SIGTERM', () => void site.stop().then(() => process.exit(1)));
let isKept = true;
const counts = new Map<string, number>();
try {
  const random = new SeededRandom(seed);
  const clients = await Clients.start(() => clientOf(site), seed);
  const endMs = clock.monotonicMs() + Number(values.seconds) * 1_000;
  const faults = faultsOf(site, { random, hasOwnNetwork: values['own-network'] });
  for (const { name } of faults) counts.set(name, 0);
  do {
    const left = [...faults];
    while (left.length > 0) {
      const [fault] = left.splice(randomInt(random, left.length), 1);
      if (fault === undefined) break;
      // Whom it was to strike may have been gone at that moment.
      for (let tries = 1; tries <= triesMax; tries++) {
        const tookEffect = await fault.strike();
        await site.isWhole();
        if (!tookEffect) continue;
        counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
        break;
      }
      await sleep(clock, calmMs);
    }
  } while (clock.monotonicMs() < endMs);
  const last = await clientOf(site);
  const history = await clients.finish(last.client);
  await last.close();
  const problems = problemsOf(history);
  if (problems.length > 0) writeFileSync(join(folder, 'history.json'), JSON.stringify(history));
  const acknowledged = history.calls.filter(
    ({ kind, ended }) => kind !== 'get' && kind !== 'list' && ended !== undefined,
  );
  const report = {
    faults: Object.fromEntries(counts),
    calls: history.calls.length,
    acknowledgedWrites: acknowledged.length,
    ...clients.record.counts,
    events: history.watches.reduce((sum, { events }) => sum + events.length, 0),
    problemCount: problems.length,
    problems: problems.slice(0, problemsShown),
    ...(problems.length > 0 ? { folder } : {}),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  isKept = problems.length > 0;
} finally {
  await site.stop();
  if (!isKept) rmSync(folder, { recursive: true, force: true });
}
