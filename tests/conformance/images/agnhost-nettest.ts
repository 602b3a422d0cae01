/**
 * The command `nettest` of the stand-in for agnhost: finds the other pods of its Service, tells each that it was there, and counts who told it so.
 * Source: kubernetes `test/images/agnhost/nettest`.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { json, text } from 'node:stream/consumers';
import { sleep } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { serveOn } from './agnhost-network.ts';

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';
const logLinesMax = 500;
const roundMs = 5_000;
const waitMs = 5 * 60_000;
const rounds = 15;

interface State {
  readonly Hostname: string;
  Sent: Readonly<Record<string, number>> | null;
  Received: Readonly<Record<string, number>> | null;
  readonly Errors: string[];
  readonly Log: string[];
  StillContactingPeers: boolean;
}

/** Serves until it is told to end, and meanwhile looks for its peers. */
export function nettest(context: ProgramContext, flags: ReadonlyMap<string, string>): void {
  const peers = Number(flags.get('peers') ?? 8);
  const state: State = {
    Hostname: context.hostname,
    Sent: null,
    Received: null,
    Errors: [],
    Log: [],
    StillContactingPeers: true,
  };
  const count = (of: 'Received' | 'Sent', name: string): void => {
    state[of] = { ...state[of], [name]: (state[of]?.[name] ?? 0) + 1 };
  };
  serveOn(context, Number(flags.get('port') ?? 8080), async ({ url, body }) => {
    switch (url.pathname) {
      case '/read':
        return { status: 200, body: JSON.stringify(state, undefined, '\t') };
      case '/write': {
        const source = sourceIn(await body());
        if (source === '') state.Errors.push(`${state.Hostname}: Got request with no source`);
        else count('Received', source);
        return { status: 200, body: `${JSON.stringify({ Hostname: state.Hostname })}\n` };
      }
      case '/status': {
        const isPassed = [state.Sent, state.Received].every((counts) => Object.keys(counts ?? {}).length >= peers);
        return { status: 200, body: isPassed ? 'pass' : state.StillContactingPeers ? 'running' : 'fail' };
      }
      default:
        return { status: 404, body: '404 page not found\n' };
    }
  });
  const say = (line: string): void => {
    state.Log.push(line);
    if (state.Log.length > logLinesMax) state.Log.shift();
  };
  void contactPeers(context, flags, { peers, say, sent: (name) => count('Sent', name) }).finally(() => {
    state.StillContactingPeers = false;
  });
}

function sourceIn(body: string): string {
  try {
    const { Source: source } = JSON.parse(body) as { readonly Source?: unknown };
    return typeof source === 'string' ? source : '';
  } catch {
    return '';
  }
}

interface Contacts {
  readonly peers: number;
  say(line: string): void;
  sent(hostname: string): void;
}

async function contactPeers(
  context: ProgramContext,
  flags: ReadonlyMap<string, string>,
  { peers, say, sent }: Contacts,
): Promise<void> {
  const { clock, signal } = context;
  const [namespace, service] = [flags.get('namespace') ?? 'default', flags.get('service') ?? 'nettest'];
  const find = async (): Promise<readonly string[]> => {
    try {
      return await addressesOf(context, `/api/v1/namespaces/${namespace}/endpoints/${service}`);
    } catch (error) {
      say(`Unable to read the endpoints for ${namespace}/${service}: ${errorText(error)}.`);
      return [];
    }
  };
  const untilMs = clock.monotonicMs() + waitMs;
  for (let found = await find(); found.length < peers && clock.monotonicMs() < untilMs; found = await find()) {
    say(`${namespace}/${service} has ${found.length} endpoints, which is less than ${peers} as expected.`);
    if (!(await sleep(clock, roundMs, signal))) return;
  }
  for (let round = 0; round < rounds; round++) {
    for (const address of await find()) {
      say(`Attempting to contact http://${address}`);
      try {
        const body = JSON.stringify({ Dest: `http://${address}`, Source: context.hostname });
        const answer = await fetch(`http://${address}/write`, { method: 'POST', body });
        const { Hostname: hostname } = (await answer.json()) as { readonly Hostname: string };
        sent(hostname);
      } catch (error) {
        say(`Warning: unable to contact the endpoint http://${address}: ${errorText(error)}`);
      }
    }
    if (!(await sleep(clock, roundMs, signal))) return;
  }
}

interface Endpoints {
  readonly subsets?: readonly {
    readonly addresses?: readonly { readonly ip: string }[];
    readonly ports?: readonly { readonly port: number }[];
  }[];
}

/** As any program in a pod asks the API server. */
async function addressesOf(context: ProgramContext, path: string): Promise<readonly string[]> {
  const read = (name: string): string => readFileSync(context.resolve(`${accountFolder}/${name}`), 'utf8');
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = context.env;
  const headers = { authorization: `Bearer ${read('token')}`, connection: 'close' };
  const found = await new Promise<Endpoints>((resolve, reject) => {
    get(`https://${host}:${port}${path}`, { ca: read('ca.crt'), headers }, (answer) => {
      if (answer.statusCode === 200) json(answer).then((value) => resolve(value as Endpoints), reject);
      else text(answer).then((said) => reject(new Error(said)), reject);
    }).on('error', reject);
  });
  return (found.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) => ports.map(({ port: number }) => `${ip}:${number}`)),
  );
}
