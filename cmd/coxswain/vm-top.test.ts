/** The second part of `coxswain vm top` says what a machine's kubelet has of it, and of a monitor where there is one. */
import { expect, test } from 'vitest';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createClient } from '#pkg/client/rest-client.ts';
import { isMeasured, printCounters } from './vm-top.ts';
import type { World } from './world.ts';

/** A client of a server that has these answers, by path, and no others. */
function clientOf(answers: Readonly<Record<string, object>>) {
  const request = ({ path }: ApiRequest): Promise<ApiResponse> => {
    const bytes = answers[path] === undefined ? undefined : Buffer.from(JSON.stringify(answers[path]));
    return Promise.resolve({
      status: bytes === undefined ? 404 : 200,
      headers: {},
      body: bytes === undefined ? { kind: 'empty' } : { kind: 'bytes', bytes },
    });
  };
  return createClient({ transport: { request }, userAgent: 'test/1' });
}

async function printed(counters: Readonly<Record<string, number>>): Promise<string> {
  const userDefinedMetrics = Object.entries(counters).map(([name, value]) => ({ name, value }));
  const pods = [{ podRef: { name: 'm-1', namespace: 'default' }, containers: [{ userDefinedMetrics }] }];
  let text = '';
  const world: World = {
    ...{ clock: new VirtualClock(), random: new SeededRandom(1), environment: {}, rootFolder: '/' },
    ...{ writeError: () => {}, isTerminal: false, isQuiet: false, columns: () => 80 },
    write: (part) => {
      text += part;
    },
  };
  const client = clientOf({ '/api/v1/nodes/n/proxy/stats/summary': { pods } });
  await printCounters(world, client, { node: 'n', pod: 'm-1', namespace: 'default' });
  return text;
}

const ofHart = { instructions: 1000, traps: 30, tlbMisses: 8, pageWalks: 7, walkReferences: 21, blocksCompiled: 2 };

test('of a machine without a monitor its harts and devices are told of', async () => {
  expect(await printed({ ...ofHart, deviceAccesses: 5, ownBytes: 4096 })).toBe(`
OWN PAGES   SHARED PAGES   ITS PART OF THEM   ZERO PAGES   BALLOON
4 KiB       0 KiB          0 KiB              0 KiB        0 KiB

INSTRUCTIONS   TRAPS   INTERRUPTS   TLB MISSES   PAGE WALKS   REFERENCES   DEVICE ACCESSES   BLOCKS COMPILED
1000           30      0            8            7            21           5                 2
`);
});

test('of one under a monitor the blocks that it made and its exits are too, the most frequent first', async () => {
  const ofMonitor = { 'monitor.monitorReferences': 9, 'monitor.blocksTranslated': 4, 'monitor.blocksChained': 3 };
  const exits = { 'exits.hypercall': 0, 'exits.device': 2, 'exits.syscall': 11 };
  const text = await printed({ ...ofHart, ...ofMonitor, 'monitor.storesLogged': 6, ...exits });
  expect(text.split('\n\n').slice(2)).toEqual([
    `REFERENCES BY MONITOR   INTERPRETED   UPDATES ASKED   BLOCKS TRANSLATED   CHAINED   CACHE FLUSHES   STORES LOGGED
9                       0             0               4                   3         0               6`,
    'EXITED FOR   TIMES\nsyscall      11\ndevice       2\n',
  ]);
});

test('a pod of which nobody has measured anything yet is no error', async () => {
  const path = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/m-1';
  const pod = { pod: 'm-1', namespace: 'default' };
  expect(await isMeasured(clientOf({ [path]: { kind: 'PodMetrics' } }), pod)).toBe(true);
  expect(await isMeasured(clientOf({}), pod)).toBe(false);
});
