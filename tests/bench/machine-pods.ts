/**
 * `node tests/bench/machine-pods.ts`: how long a pod that is a machine takes from its creation to Ready, and to its guest's first answer, beyond what the kubelet itself takes: pods of the fake
 * runtime, which run nothing, are made in turns with it on the same node, and pods of the in-process runtime beside them. The image is there, and the pods have no probes, so that Ready is when their
 * container has started.
 *
 * Exits with 1 when a machine is Ready later than the target beyond a pod that runs nothing, by the medians. It is not a row of `npm run bench`, as it compares nothing with another checkout.
 */
import { get } from 'node:http';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { connectionOf } from '#cmd/common/connection.ts';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { pods, runtimeClasses } from '#pkg/api/types/refs.ts';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { silentLogger } from '#pkg/base/logger.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { Client } from '#pkg/client/client.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { createInformers } from '#pkg/client/shared-informers.ts';
import { RunningCluster } from '#tests/e2e/running-cluster.ts';
import { clock } from './load.ts';
import { median } from './statistics.ts';

const usage = `Usage: node tests/bench/machine-pods.ts [flags]

  --rounds <n>   How often a pod of each sort is made. Default: 9.
  --pause <s>    Seconds before each round, in which the node does what it does between pods. Default: 5.
  --help         Print this.
`;

/** Of the issue: beyond the kubelet's own time. */
const targetMs = 150;
const namespace = 'default';
const port = 8090;
/** A guest that boots is asked so often. */
const askMs = 1;

/** What is made, and whether it answers. */
const sorts = {
  nothing: { runtime: 'fake', image: 'fake', answers: false },
  program: { runtime: 'inprocess', image: 'coxswain.dev/echo', answers: false },
  machine: { runtime: 'vm', image: 'coxswain.dev/vm/kernel', answers: true },
} as const;
type Sort = keyof typeof sorts;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function podOf(name: string, sort: Sort): Pod {
  const { runtime, image } = sorts[sort];
  const container = { name: 'main', image, args: [`port=${port}`], resources: { limits: { memory: '32Mi' } } };
  return {
    metadata: { name, namespace },
    spec: { runtimeClassName: runtime, terminationGracePeriodSeconds: 0, containers: [container] },
  };
}

const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/** Who waits for something of a pod, by the pod's name. */
class Awaited {
  readonly ready = new Map<string, (pod: Pod) => void>();
  readonly gone = new Map<string, () => void>();

  take(pod: Pod): void {
    if (isReady(pod)) this.ready.get(pod.metadata?.name ?? '')?.(pod);
  }
}

/** Resolves once the server at that address answers. */
async function answered(host: string): Promise<void> {
  const once = (): Promise<boolean> =>
    new Promise((resolve) => {
      const asked = get({ host, port, path: '/healthz', agent: false }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode === 200)).on('error', () => resolve(false));
      });
      asked.on('error', () => resolve(false));
    });
  while (!(await once())) await sleep(clock, askMs);
}

/** Milliseconds from the creation of a pod to Ready, and to its first answer. */
async function measureOne(client: Client, awaited: Awaited, at: { readonly sort: Sort; readonly round: number }) {
  const own = client.resource(pods);
  const name = `${at.sort}-${at.round}`;
  const ready = Promise.withResolvers<Pod>();
  const gone = Promise.withResolvers<void>();
  awaited.ready.set(name, ready.resolve);
  awaited.gone.set(name, gone.resolve);
  const beganMs = clock.monotonicMs();
  await own.create(podOf(name, at.sort));
  const pod = await ready.promise;
  const readyMs = clock.monotonicMs() - beganMs;
  if (sorts[at.sort].answers) await answered(pod.status?.podIP ?? '');
  const answeredMs = clock.monotonicMs() - beganMs;
  await own.delete(name, { namespace });
  await gone.promise;
  return { readyMs, answeredMs };
}

interface Flags {
  readonly rounds: number;
  readonly pauseMs: number;
}

/** Prints the figures; false when the target was missed. */
async function measure(client: Client, awaited: Awaited, { rounds, pauseMs }: Flags): Promise<boolean> {
  const ready: Record<Sort, number[]> = { nothing: [], program: [], machine: [] };
  const answers: number[] = [];
  for (const handler of ['fake', 'inprocess', 'vm'])
    await client.resource(runtimeClasses).create({ metadata: { name: handler }, handler });
  for (let round = 0; round < rounds; round++) {
    await sleep(clock, pauseMs);
    for (const sort of Object.keys(sorts) as Sort[]) {
      const { readyMs, answeredMs } = await measureOne(client, awaited, { sort, round });
      ready[sort].push(readyMs);
      if (sorts[sort].answers) answers.push(answeredMs);
    }
  }
  const own = median(ready.nothing);
  const beyond = median(ready.machine) - own;
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  say(
    `a pod that runs nothing is Ready after ${ms(own)}, one with a program in process after ${ms(median(ready.program))}`,
  );
  say(`a machine is Ready after ${ms(median(ready.machine))}: ${ms(beyond)} beyond (at most ${targetMs})`);
  say(`its guest answers after ${ms(median(answers))}: ${ms(median(answers) - own)} beyond`);
  return beyond <= targetMs;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '9' },
      pause: { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return true;
  }
  const flags = { rounds: Number(values.rounds), pauseMs: Number(values.pause) * 1000 };
  if (!(Number.isSafeInteger(flags.rounds) && flags.rounds > 0 && flags.pauseMs >= 0))
    throw new Error('--rounds must be a whole number above 0, and --pause a number');
  const cluster = await RunningCluster.start({ flags: ['--runtime', 'inprocess,fake,vm'] });
  const transport = await connectionOf(cluster.kubeconfig, {});
  const client = createClient({ transport, userAgent: 'machine-pods' });
  const informers = createInformers({ client, clock, random: new SystemRandom(), log: silentLogger });
  const awaited = new Awaited();
  informers.informer(pods, { namespace }).addHandler({
    added: (pod) => awaited.take(pod),
    updated: (_, pod) => awaited.take(pod),
    deleted: ({ metadata }) => awaited.gone.get(metadata?.name ?? '')?.(),
  });
  const end = new AbortController();
  const running = informers.run(end.signal);
  try {
    return await measure(client, awaited, flags);
  } finally {
    end.abort();
    await running;
    await transport.close();
    await cluster.remove();
  }
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`machine-pods: ${errorText(error)}\n`);
  process.exitCode = 1;
}
