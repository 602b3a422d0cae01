/**
 * Somebody with a right to be here, in a process of its own, whose waits are those for the server: gets one object after the other on four connections, or
 * makes one. Runs as a child of `attack.ts`, does so for as long as it is told and says how long it took; ends with its parent.
 */
import { Agent, request } from 'node:https';

/** What they ask, and as whom. */
export interface OthersPlan {
  readonly port: number;
  /** They write rather than read. */
  readonly writes: boolean;
  /** PEM. */
  readonly identity: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

/** What they were given. */
export interface Load {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Slow enough that what others cost is not taken for what the attack does. */
const restMs = 10;
const lanes = 4;

let agent: Agent | undefined;

async function run(ms: number, plan: OthersPlan): Promise<Load> {
  const { ca, cert, key } = plan.identity;
  agent ??= new Agent({ keepAlive: true, maxSockets: lanes, ca: ca!, cert: cert!, key: key! });
  const untilMs = performance.now() + ms;
  const took: number[] = [];
  const lane = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const startMs = performance.now();
      await ask(plan, agent!);
      took.push(performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  took.sort((a, b) => a - b);
  const at = (share: number): number => Number((took[Math.floor(took.length * share)] ?? 0).toFixed(2));
  return { count: took.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function ask({ port, writes }: OthersPlan, agent: Agent): Promise<void> {
  const body = writes ? '{"metadata":{"generateName":"others-"},"data":{"a":"b"}}' : undefined;
  const options = {
    host: '127.0.0.1',
    port,
    path: `/api/v1/namespaces/default${writes ? '/configmaps' : ''}`,
    agent,
    method: writes ? 'POST' : 'GET',
    headers: writes ? { 'content-type': 'application/json' } : {},
  };
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      response.resume();
      response.once('end', () =>
        response.statusCode === (writes ? 201 : 200) ? resolve() : reject(new Error(`${response.statusCode}`)),
      );
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

if (process.send !== undefined) {
  process.on('message', async ({ ms, plan }: { readonly ms: number; readonly plan: OthersPlan }) => {
    process.send?.(await run(ms, plan));
  });
  process.on('disconnect', () => process.exit());
}
