import { expect, test } from 'vitest';
import type { Container, Pod, PodSpec } from '#pkg/api/types/core-v1.ts';
import { BackOff, formatWait } from '../model/back-off.ts';
import { type ContainerView, type PodView, specHashOf } from '../model/pod-view.ts';
import { computePodActions } from './pod-actions.ts';

const app: Container = { name: 'app', image: 'a:v1' };
const init: Container = { name: 'init', image: 'i:v1' };
const side: Container = { name: 'side', image: 's:v1', restartPolicy: 'Always' };

const on42 = { action: 'Restart', exitCodes: { operator: 'In', values: [42] } } as const;

function pod(spec: Partial<PodSpec> = {}): Pod {
  return { metadata: { name: 'p', namespace: 'd', uid: 'u' }, spec: { containers: [app], ...spec } };
}

function view(containers: Readonly<Record<string, Partial<ContainerView>>>, sandbox = true): PodView {
  const specs = new Map([app, init, side].map((one) => [one.name, one]));
  return {
    sandbox: sandbox ? { id: 'box', addresses: ['127.8.0.2'], attempt: 0 } : undefined,
    sandboxAttempts: sandbox ? 1 : 0,
    containers: new Map(
      Object.entries(containers).map(([name, fields]) => [
        name,
        {
          id: `${name}-1`,
          sandboxId: 'box',
          podUid: 'u',
          name,
          attempt: 0,
          image: '',
          imageRef: '',
          specHash: specHashOf(specs.get(name)!),
          resources: {},
          state: 'running',
          createdAtMs: 0,
          started: true,
          ready: true,
          ...fields,
        },
      ]),
    ),
  };
}

const ended = (exitCode: number): Partial<ContainerView> => ({ state: 'exited', exitCode, finishedAtMs: 0 });

function decide(one: Pod, now: PodView): string {
  const { done, createSandbox, kill, start, wait } = computePodActions({
    pod: one,
    view: now,
    backOff: new BackOff(),
    nowMs: 1000,
  });
  const parts = [
    ...(done ? ['done'] : []),
    ...(createSandbox ? ['sandbox'] : []),
    ...kill.map(({ name, cause }) => `kill ${name} ${cause}`),
    ...start.map((name) => `start ${name}`),
    ...wait.map(({ name }) => `wait ${name}`),
  ];
  return parts.join(', ');
}

test.each<[string, Pod, PodView, string]>([
  ['a new pod needs a sandbox first', pod(), view({}, false), 'sandbox, start app'],
  ['what runs is left alone', pod(), view({ app: {} }), ''],
  ['an ended container starts again', pod(), view({ app: ended(0) }), 'start app'],
  ['OnFailure leaves a success', pod({ restartPolicy: 'OnFailure' }), view({ app: ended(0) }), 'done'],
  ['OnFailure starts a failure again', pod({ restartPolicy: 'OnFailure' }), view({ app: ended(1) }), 'start app'],
  ['Never leaves a failure', pod({ restartPolicy: 'Never' }), view({ app: ended(1) }), 'done'],
  ['a failed liveness probe kills', pod(), view({ app: { failedProbe: 'liveness' } }), 'kill app livenessProbe'],
  ['another image kills', pod(), view({ app: { specHash: 'old' } }), 'kill app specChanged'],
  ['init comes first', pod({ initContainers: [init] }), view({}), 'start init'],
  ['init is waited for', pod({ initContainers: [init] }), view({ init: {} }), ''],
  ['after init the others', pod({ initContainers: [init] }), view({ init: ended(0) }), 'start app'],
  ['failed init starts again', pod({ initContainers: [init] }), view({ init: ended(1) }), 'start init'],
  [
    'failed init with Never is the end',
    pod({ initContainers: [init], restartPolicy: 'Never' }),
    view({ init: ended(1) }),
    'done',
  ],
  [
    "a container's own policy goes before the pod's",
    pod({ restartPolicy: 'Never', containers: [{ ...app, restartPolicy: 'OnFailure' }] }),
    view({ app: ended(1) }),
    'start app',
  ],
  [
    "and its policy says so when the pod's would start it again",
    pod({ restartPolicy: 'Always', containers: [{ ...app, restartPolicy: 'Never' }] }),
    view({ app: ended(1) }),
    'done',
  ],
  [
    'a rule for an exit code goes before both',
    pod({ restartPolicy: 'Never', containers: [{ ...app, restartPolicy: 'Never', restartPolicyRules: [on42] }] }),
    view({ app: ended(42) }),
    'start app',
  ],
  [
    'a rule says nothing of other exit codes',
    pod({ restartPolicy: 'Never', containers: [{ ...app, restartPolicy: 'Never', restartPolicyRules: [on42] }] }),
    view({ app: ended(1) }),
    'done',
  ],
  [
    'an init container that is not to be started again ends the pod',
    pod({ initContainers: [{ ...init, restartPolicy: 'Never' }] }),
    view({ init: ended(1) }),
    'done',
  ],
  [
    'an ephemeral container starts once, whatever holds up the others',
    pod({ initContainers: [init], ephemeralContainers: [{ name: 'debug', image: 'd:v1' }] }),
    view({ init: {} }),
    'start debug',
  ],
  [
    'an ephemeral container that ended is left',
    pod({ ephemeralContainers: [{ name: 'side', image: 's:v1' }] }),
    view({ app: {}, side: ended(1) }),
    '',
  ],
  [
    'init of an earlier sandbox runs again',
    pod({ initContainers: [init] }),
    view({ init: { ...ended(0), sandboxId: 'old' } }),
    'start init',
  ],
  ['a sidecar has to start', pod({ initContainers: [side] }), view({ side: { started: false } }), ''],
  ['beside a sidecar the others run', pod({ initContainers: [side] }), view({ side: {} }), 'start app'],
  ['an ended sidecar starts again', pod({ initContainers: [side] }), view({ side: ended(0), app: {} }), 'start side'],
  [
    'sidecars end with the pod',
    pod({ initContainers: [side], restartPolicy: 'Never' }),
    view({ side: {}, app: ended(0) }),
    'done',
  ],
])('%s', (_, one, now, expected) => {
  expect(decide(one, now)).toBe(expected);
});

test('waits double from 10 s to 5 min and are forgotten after 10 min of quiet', () => {
  const backOff = new BackOff();
  const waits: string[] = [];
  let atMs = 0;
  for (let tries = 0; tries < 7; tries++) {
    backOff.next('k', atMs);
    const { waitMs } = backOff.remaining('k', atMs, atMs);
    waits.push(formatWait(waitMs));
    atMs += waitMs;
  }
  expect(waits).toEqual(['10s', '20s', '40s', '1m20s', '2m40s', '5m0s', '5m0s']);
  expect(backOff.remaining('k', atMs + 600_001, atMs + 600_001)).toEqual({ waitMs: 0, leftMs: 0 });
});
