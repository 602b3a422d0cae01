/** A server that is killed while many write: whatever it acknowledged is there when it is started again, and those who watch go on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectionOf } from '#cmd/common/connection.ts';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { SystemClock } from '#pkg/base/clock.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { randomInt, SeededRandom } from '#pkg/base/random.ts';
import type { NetworkTransport } from '#pkg/client/network-transport.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { eventually, hookMs, RunningCluster } from '#tests/e2e/running-cluster.ts';
import { contentsOf } from './config-map-writers.ts';

/** `CRASH_ROUNDS=50` tries harder. */
const given = process.env.CRASH_ROUNDS;
const writers = 32;
/** The kill comes after a random number of acknowledged writes up to this. */
const writesMax = 1500;

/** What an object may be after the crash: its change, or gone. Two of them while a write was open. */
type State = number | 'gone';

/** What a client knows of the server's state, by name. */
class Knowledge {
  readonly #acknowledged = new Map<string, State>();
  readonly #open = new Map<string, State>();
  readonly refused: string[] = [];
  newestVersion = 0;
  acknowledgements = 0;

  /** Takes one line of `writeUntilGone`. */
  take(line: string): void {
    const [how, what, name, change, version] = line.split(' ');
    if (how === 'refused') {
      this.refused.push(line);
      return;
    }
    const state: State = what === 'delete' ? 'gone' : Number(change);
    if (how === 'try') {
      this.#open.set(name!, state);
      return;
    }
    this.#open.delete(name!);
    this.#acknowledged.set(name!, state);
    this.newestVersion = Math.max(this.newestVersion, Number(version));
    this.acknowledgements++;
  }

  /** Names whose state is neither what was acknowledged nor what was being written. Then holds what was found to be the truth. */
  settle(found: ReadonlyMap<string, ConfigMap>): readonly string[] {
    const wrong: string[] = [];
    for (const name of new Set([...this.#acknowledged.keys(), ...this.#open.keys()])) {
      const object = found.get(name);
      const state: State = object === undefined ? 'gone' : Number(object.data?.change);
      const allowed = [this.#acknowledged.get(name) ?? 'gone', this.#open.get(name)];
      const whole = state === 'gone' || JSON.stringify(object?.data) === JSON.stringify(contentsOf(name, state));
      if (!allowed.includes(state) || !whole) wrong.push(`${name}: found ${state}, whole ${whole}, allowed ${allowed}`);
      this.#acknowledged.set(name, state);
    }
    for (const name of found.keys()) if (!this.#acknowledged.has(name)) wrong.push(`${name}: never written`);
    this.#open.clear();
    return wrong;
  }
}

/** Runs writers in a process of their own until the server is gone; `onAcknowledged` is told how many writes were acknowledged. */
async function writeAndKill(
  cluster: RunningCluster,
  knowledge: Knowledge,
  options: { readonly prefix: string; readonly killAfter: number; readonly kill: () => void },
): Promise<void> {
  const module = pathToFileURL(join(import.meta.dirname, 'config-map-writers.ts')).href;
  const settings = { kubeconfig: cluster.kubeconfig, namespace: 'default', writers, prefix: options.prefix };
  const code = `import { writeUntilGone } from '${module}'; await writeUntilGone(${JSON.stringify(settings)});`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const before = knowledge.acknowledgements;
  let killed = false;
  let rest = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) knowledge.take(line);
    if (!killed && knowledge.acknowledgements - before >= options.killAfter) {
      killed = true;
      options.kill();
    }
  }
  await closed;
}

async function pidOf(cluster: RunningCluster): Promise<number> {
  const { stdout } = await cluster.coxswain(['status', '-o', 'json']);
  const { processes } = JSON.parse(stdout) as { processes: readonly { name: string; pid?: number }[] };
  return processes.find(({ name }) => name === 'kube-apiserver')!.pid!;
}

describe.each([
  { how: 'the whole cluster', flags: ['--store', 'lmdb'], rounds: 4 },
  { how: 'the API server of --processes', flags: ['--store', 'lmdb', '--processes'], rounds: 2 },
])('kill -9 of $how', ({ flags, rounds: fewest }) => {
  const rounds = given === undefined ? fewest : Number(given);
  let cluster: RunningCluster;
  let transport: NetworkTransport;

  beforeAll(async () => {
    cluster = await RunningCluster.start({ flags });
    transport = await connectionOf(cluster.kubeconfig);
  }, hookMs);

  afterAll(async () => {
    await transport?.close();
    await cluster?.remove();
  }, hookMs);

  test(`in the middle of ${writers} writers loses nothing that was acknowledged (${rounds} rounds)`, {
    timeout: 60_000 + rounds * 120_000,
  }, async () => {
    const random = new SeededRandom(rounds);
    const client = createClient({ transport, userAgent: 'reader' });
    const informers = createInformers({ client, clock: new SystemClock(), random, log: silentLogger });
    const watched = informers.informer(configMaps, { namespace: 'default' });
    const seen = new Map<string, number>();
    const backwards: string[] = [];
    const look = (object: ConfigMap): void => {
      const { uid = '', name, resourceVersion } = object.metadata!;
      const version = Number(resourceVersion);
      if (version < (seen.get(uid) ?? 0)) backwards.push(`${name}: ${version} after ${seen.get(uid)}`);
      seen.set(uid, version);
    };
    watched.addHandler({ added: look, updated: (_, object) => look(object), deleted: look });
    const watching = new AbortController();
    const running = informers.run(watching.signal);
    const knowledge = new Knowledge();
    try {
      for (let round = 0; round < rounds; round++) {
        const pid = await pidOf(cluster);
        await writeAndKill(cluster, knowledge, {
          prefix: `r${round}`,
          killAfter: 1 + randomInt(random, writesMax),
          kill: () => process.kill(pid, 'SIGKILL'),
        });
        expect(knowledge.refused).toEqual([]);
        const up = await cluster.up();
        expect(up, 'up again').toMatchObject({ code: 0 });

        const list = await client.resource(configMaps).list({ namespace: 'default' });
        const found = new Map(
          list.items.map((item) => [item.metadata!.name!, item] as const).filter(([name]) => /^r\d+-/.test(name)),
        );
        expect(knowledge.settle(found)).toEqual([]);
        expect(Number(list.metadata?.resourceVersion)).toBeGreaterThanOrEqual(knowledge.newestVersion);

        const marker = `marker-${round}`;
        const metadata = { name: marker, namespace: 'default' };
        const written = await client.resource(configMaps).create({ apiVersion: 'v1', kind: 'ConfigMap', metadata });
        expect(Number(written.metadata?.resourceVersion)).toBeGreaterThan(Number(list.metadata?.resourceVersion));
        // Who watched before the crash sees what came after it, and then holds the very same objects.
        await eventually(
          async () => watched.lister.get(`default/${marker}`) !== undefined,
          (isThere) => isThere,
        );
        const versions = (objects: Iterable<ConfigMap>): readonly string[] =>
          [...objects]
            .filter((object) => /^r\d+-/.test(object.metadata!.name!))
            .map((object) => `${object.metadata?.name} ${object.metadata?.resourceVersion}`)
            .sort();
        expect(versions(watched.lister.list())).toEqual(versions(found.values()));
      }
      expect(backwards).toEqual([]);
      expect(knowledge.acknowledgements).toBeGreaterThan(rounds);
    } finally {
      watching.abort();
      await running;
    }
  });
});
