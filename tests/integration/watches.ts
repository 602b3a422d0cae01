/**
 * Watches under writers and restarts of the watch cache: `node tests/integration/watches.ts [events] [seed]`. Twenty clients list and watch objects of two
 * namespaces, some of them slowly, some with short watches, while writers make, change and delete them, and now and then the cache loses its store. What
 * they see is judged by `tests/history/watch-judge.ts` against what the store committed. On virtual time: the same seed gives the same run.
 */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { type Random, randomInt, SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createMemoryStore } from '#pkg/storage/drivers/memory/memory-store.ts';
import { type Store, StoreUnavailableError } from '#pkg/storage/store.ts';
import { WatchJudge } from '../history/watch-judge.ts';

/** What a run came to. */
export interface WatchRun {
  readonly commits: number;
  readonly delivered: number;
  readonly expired: number;
  readonly restarts: number;
  readonly problems: readonly string[];
}

/** How much is done. */
export interface WatchRunOptions {
  /** Writes by writers. */
  readonly writes: number;
  readonly objects: number;
  readonly clients: number;
  readonly seed: number;
}

const namespaces = ['default', 'kube-public'] as const;
/** Writes between two looks at the clock. */
const writesPerTurn = 50;
/** Writes between two losses of the store, on the average: at least so many, and a hundred losses in a long run, after each of which all list anew. */
const writesPerRestartMin = 1_500;

/** A memory store whose watches can be lost. */
class LossyStore {
  readonly store: Store;
  readonly #lose = new Set<() => void>();

  constructor(clock: VirtualClock) {
    const inner = createMemoryStore({ clock });
    const watch: Store['watch'] = (options, sink) => {
      const running = inner.watch(options, sink);
      const lose = (): void => {
        end();
        sink.onError(new StoreUnavailableError('the store was lost'));
      };
      const end = (): void => {
        this.#lose.delete(lose);
        running.close();
      };
      this.#lose.add(lose);
      return { close: end };
    };
    this.store = new Proxy(inner, {
      get(target, name) {
        if (name === 'watch') return watch;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** Every watch of it ends with an error. */
  lose(): void {
    for (const lose of [...this.#lose]) lose();
  }
}

/** What all of a run share. */
interface World {
  readonly server: TestServer;
  readonly judge: WatchJudge;
  readonly random: Random;
  /** What clients have seen, told to the judge once it knows of the commits. */
  later(told: () => void): void;
  /** Resolves at the next turn of the driver. */
  turn(): Promise<void>;
  isOver: boolean;
  /** What each acknowledged write has written, by revision. */
  readonly values: Map<number, string>;
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata?.namespace}/${metadata?.name}`;
const revisionOf = ({ metadata }: KubeObject): number => Number(metadata?.resourceVersion);
const dataOf = (object: object): string =>
  'data' in object && object.data instanceof Object && 'v' in object.data ? String(object.data.v) : '';

/** One client: lists, watches, and does both again as it is told. */
async function runClient(world: World, name: string, place: string): Promise<void> {
  const { server, judge, random, later } = world;
  const isSlow = random.next() < 0.25;
  const seconds = random.next() < 0.5 ? 3 : 600;
  const path = place === '' ? '/api/v1/configmaps' : `/api/v1/namespaces/${place}/configmaps`;
  const prefix = place === '' ? '' : `${place}/`;
  let from: number | undefined;
  while (!world.isOver) {
    if (from === undefined) {
      const listed = await list(server, path);
      if (listed === undefined) {
        await world.turn();
        continue;
      }
      from = listed.revision;
      later(() => judge.listed(name, prefix, listed));
    }
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${from}&timeoutSeconds=${seconds}`;
    const answer = await server.raw('GET', `${path}?${query}`);
    if (answer.body.kind !== 'watch') {
      await world.turn();
      continue;
    }
    later(() => judge.watches(name));
    let isExpired = false;
    for await (const frames of answer.body.batches) {
      for (const { type, object } of frames) {
        if (type === 'ERROR') isExpired ||= 'code' in object && object.code === 410;
        else {
          const revision = revisionOf(object);
          const event = { key: keyOf(object), revision, value: dataOf(object) };
          later(() => (type === 'BOOKMARK' ? judge.marked(name, revision) : judge.saw(name, { type, ...event })));
          from = revision;
        }
      }
      for (let turns = isSlow ? randomInt(random, 40) : 0; turns > 0 && !world.isOver; turns--) await world.turn();
    }
    const how = isExpired ? 'expired' : 'closed';
    later(() => judge.ended(name, how));
    if (isExpired) from = undefined;
    await world.turn();
  }
}

async function list(
  server: TestServer,
  path: string,
): Promise<
  { readonly revision: number; readonly items: { key: string; revision: number; value: string }[] } | undefined
> {
  const { status, body } = await server.call('GET', path);
  if (status !== 200) return undefined;
  const items = body.items.map((item: KubeObject) => ({
    key: keyOf(item),
    revision: revisionOf(item),
    value: dataOf(item),
  }));
  return { revision: Number(body.metadata.resourceVersion), items };
}

/** Writes one change of a random object, and again until the server could be asked. */
async function write(world: World, objects: number, count: number): Promise<void> {
  const { server, random } = world;
  const namespace = namespaces[randomInt(random, namespaces.length)];
  const name = `m${randomInt(random, objects)}`;
  const collection = `/api/v1/namespaces/${namespace}/configmaps`;
  const value = String(count);
  const object = { metadata: { name }, data: { v: value } };
  const isDelete = random.next() < 0.15;
  let answer: ApiResponse = await server.raw(
    isDelete ? 'DELETE' : 'PUT',
    `${collection}/${name}`,
    isDelete ? {} : { object },
  );
  if (answer.status === 404 && !isDelete) answer = await server.raw('POST', collection, { object });
  if (answer.status < 300 && !isDelete && answer.body.kind === 'object') {
    const made: unknown = answer.body.object;
    if (made instanceof Object && 'metadata' in made) world.values.set(revisionOf(made as KubeObject), value);
  }
}

/** Runs it. */
export async function runWatches({ writes, objects, clients, seed }: WatchRunOptions): Promise<WatchRun> {
  const clock = new VirtualClock();
  const lossy = new LossyStore(clock);
  const server = await startTestServer({ store: lossy.store, clock });
  const judge = new WatchJudge();
  let next = Promise.withResolvers<void>();
  const values = new Map<number, string>();
  const told: (() => void)[] = [];
  const world: World = {
    server,
    judge,
    random: new SeededRandom(seed),
    later: (one) => void told.push(one),
    turn: () => next.promise,
    isOver: false,
    values,
  };
  const commits: { revision: number; key: string; isDelete: boolean }[] = [];
  // Beside the server: what is true is what the store says.
  const prefix = '/registry/configmaps/';
  const recorder = { from: 0 };
  const record = (): void => {
    lossy.store.watch(
      { prefix, fromRevision: recorder.from + 1 },
      {
        onEvents: (events) => {
          for (const event of events) {
            const key = (event.type === 'put' ? event.kv.key : event.key).slice(prefix.length);
            const revision = event.type === 'put' ? event.kv.modRevision : event.revision;
            recorder.from = revision;
            commits.push({ revision, key, isDelete: event.type === 'delete' });
          }
        },
        onError: record,
      },
    );
  };
  record();
  const tell = (): void => {
    for (const { revision, key, isDelete } of commits.splice(0))
      judge.committed({ revision, key, ...(isDelete ? {} : { value: values.get(revision) ?? '' }) });
    for (const one of told.splice(0)) one();
  };
  const turn = async (ms: number): Promise<void> => {
    tell();
    const { resolve } = next;
    next = Promise.withResolvers<void>();
    resolve();
    await clock.advance(ms);
  };
  return drive({ world, turn, lossy, clients }, { writes, objects });
}

interface Driven {
  readonly world: World;
  turn(ms: number): Promise<void>;
  readonly lossy: LossyStore;
  readonly clients: number;
}

async function drive(
  { world, turn, lossy, clients }: Driven,
  { writes, objects }: Pick<WatchRunOptions, 'objects' | 'writes'>,
): Promise<WatchRun> {
  const { judge, random } = world;
  let restarts = 0;
  const writesPerRestart = Math.max(writesPerRestartMin, Math.round(writes / 100));
  for (let count = 0; count < objects; count++) await write(world, objects, -count);
  await turn(1);
  const places = [...namespaces, '', ''];
  const running = Array.from({ length: clients }, (_, at) => runClient(world, `client ${at}`, places[at % 4] ?? ''));
  await turn(1);
  for (let count = 1; count <= writes; count++) {
    await write(world, objects, count);
    if (randomInt(random, writesPerRestart) === 0) {
      restarts++;
      lossy.lose();
      for (let i = 0; i < 4; i++) await turn(50);
    }
    if (count % writesPerTurn === 0) await turn(20);
  }
  // Until the slowest has seen all, and every watch has had its turn after the last restart.
  for (let i = 0; i < 200; i++) await turn(20);
  judge.finish();
  const { commits, delivered, expired, problems } = judge;
  world.isOver = true;
  for (let i = 0; i < 700; i++) await turn(1_000);
  await Promise.all(running);
  return { commits, delivered, expired, restarts, problems };
}

async function main(): Promise<void> {
  const [writes = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
  const { problems, ...counts } = await runWatches({ writes, objects: 10_000, clients: 20, seed });
  for (const problem of problems) console.log(problem);
  console.log(JSON.stringify({ ...counts, problems: problems.length }));
  if (problems.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
