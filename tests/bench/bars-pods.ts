/** What 100,000 pods cost, what a list of all of them adds, and what one client feels beside 500 who read that list. */
import { sleep } from '#pkg/base/async.ts';
import { residentMb, type Stage, sendAll, timed } from './bars-stage.ts';
import type { Connection } from './connection.ts';
import { clock, openAll } from './load.ts';
import { podBody } from './objects.ts';
import { quantile } from './statistics.ts';

const count = 100_000;
/** Size of each as it is served. */
const bytesEach = 2_000;
const listers = 500;
const gets = 2_000;
const restMs = 10_000;
const namespace = 'bars';
const path = `/api/v1/namespaces/${namespace}/pods`;

/** Measures; the pods stay. */
export async function podBars({ clients, target, serverPid, say }: Stage): Promise<void> {
  const [client] = clients;
  if (client === undefined) return;
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await timed(client, { method: 'POST', path: '/api/v1/namespaces', body: JSON.stringify(object) });
  await sleep(clock, 1_000);
  const pid = serverPid();
  const make = (name: string, paddingBytes: number) => ({
    method: 'POST',
    path,
    body: podBody(name, { paddingBytes }),
  });
  await timed(client, make('probe', 0));
  const { bodyBytes } = await client.request({ method: 'GET', path: `${path}/probe` });
  const padding = Math.max(0, bytesEach - bodyBytes);
  await sendAll(clients, count, (n) => make(`p${n}`, padding));
  say({
    figure: `API server with ${count} pods of ${bytesEach} bytes, at once`,
    value: residentMb(pid),
    unit: 'MB',
    most: 600,
  });
  await sleep(clock, restMs);
  const before = residentMb(pid);
  say({ figure: `the same after ${restMs / 1_000} s`, value: before, unit: 'MB', most: 600 });
  let peak = before;
  const watching = new AbortController();
  const watch = (async () => {
    while (await sleep(clock, 10, watching.signal)) peak = Math.max(peak, residentMb(pid));
  })();
  const tookMs = await timed(client, { method: 'GET', path });
  watching.abort();
  await watch;
  say({ figure: 'a list of all of them adds at most', value: peak - before, unit: 'MB', most: 50 });
  say({ figure: 'it takes', value: tookMs, unit: 'ms' });
  const alone = await getsP99(client);
  const lists = await openAll(target, listers);
  await Promise.all(lists.map(beginList));
  const beside = await getsP99(client);
  const peakMb = residentMb(pid);
  for (const list of lists) list.close();
  say({ figure: 'p99 of gets alone', value: alone, unit: 'ms' });
  say({ figure: `p99 of gets beside ${listers} open lists`, value: beside, unit: 'ms' });
  say({ figure: 'the same as a multiple of it', value: beside / alone, unit: 'x', most: 2 });
  say({ figure: 'API server with those lists open', value: peakMb, unit: 'MB' });
}

async function getsP99(client: Connection): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < gets; n++) times.push(await timed(client, { method: 'GET', path: `${path}/p${n}` }));
  return quantile(times, 0.99);
}

/** Begins a list, whose client reads on slowly; resolves once something of it has come. */
function beginList(connection: Connection): Promise<void> {
  return new Promise((begun) => {
    const done = (): void => begun();
    connection
      .request({ method: 'GET', path }, () => {
        connection.pause();
        done();
      })
      .then(done, done);
  });
}
