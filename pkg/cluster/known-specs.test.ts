/** A new pod whose spec came before is answered as the first one was, for good and for ill. */
import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { startBareApi } from '#pkg/testing/bare-api.ts';

interface Answer {
  readonly status: number;
  readonly warning: string | undefined;
  readonly text: string;
}

type Post = (path: string, body: unknown, query?: string) => Promise<Answer>;

/** What differs between two pods that are made alike. */
function withoutChance(text: string): string {
  return text
    .replaceAll(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-?')
    .replaceAll(/"(uid|resourceVersion|creationTimestamp|time)":"[^"]*"/g, '"$1":"?"')
    .replaceAll(/first|second|third/g, 'nth');
}

async function started(): Promise<Post> {
  const api = await startBareApi({
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    admission: createAdmissionPlugins(),
  });
  const post = posting(api.handle);
  await post('serviceaccounts', { metadata: { name: 'default' } });
  return post;
}

function posting(handle: ApiHandler): Post {
  return async (path, body, query = '') => {
    const {
      status,
      headers,
      body: answer,
    } = await handle({
      method: 'POST',
      path: `/api/v1/namespaces/default/${path}`,
      query,
      headers: { 'content-type': 'application/json' },
      peer: { address: '10.0.0.1', certificate: { commonName: 'tester', organizations: ['system:masters'] } },
      signal: new AbortController().signal,
      body: { kind: 'bytes', bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) },
    });
    const bytes = answer.kind === 'object' || answer.kind === 'bytes' ? answer.bytes : undefined;
    const text = Buffer.from((typeof bytes === 'function' ? bytes.call(answer) : bytes) ?? '').toString();
    return { status, warning: headers.warning, text };
  };
}

const container = { name: 'c', image: 'web:1', ports: [{ containerPort: 80 }] };

function pod(name: string, spec: object, metadata: object = {}): object {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...metadata }, spec };
}

const specs: readonly (readonly [string, object, object?])[] = [
  ['as plain as can be', { containers: [container] }],
  [
    'that limits what it takes',
    { containers: [{ ...container, resources: { limits: { cpu: '1.0', memory: '1Gi' }, requests: { cpu: '0.1' } } }] },
  ],
  ['with what is unset', { containers: [{ ...container, env: [{ name: 'A', value: '' }] }], nodeSelector: {} }],
  ['without a token', { automountServiceAccountToken: false, containers: [container] }],
  [
    'with an ephemeral volume',
    {
      containers: [container],
      volumes: [
        {
          name: 'v',
          ephemeral: {
            volumeClaimTemplate: {
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
            },
          },
        },
      ],
    },
  ],
  ['that is warned of', { containers: [container, { ...container, name: 'd' }] }],
  ['with an unknown field', { containers: [{ ...container, imag: 'x' }] }],
  ['without containers', { containers: [] }],
  ['with a name that is none', { containers: [{ ...container, name: 'C!' }] }],
  ['of the wrong type', { containers: 'c' }],
  ['of a class that is not there', { containers: [container], priorityClassName: 'none' }],
  [
    'with a volume that only looks random',
    {
      containers: [{ ...container, volumeMounts: [{ name: 'kube-api-access-', mountPath: '/x' }] }],
      volumes: [{ name: 'kube-api-access-', emptyDir: {} }],
    },
  ],
  [
    'with a deprecated annotation',
    { containers: [container] },
    {
      annotations: { 'scheduler.alpha.kubernetes.io/critical-pod': '' },
    },
  ],
  [
    'with an annotation that is wrong',
    { containers: [container] },
    {
      annotations: { 'controller.kubernetes.io/pod-deletion-cost': 'dear' },
    },
  ],
];

const rows = specs.map(([what, spec, metadata]) => ({ what, spec, metadata }));

test.each(rows)('a pod $what is answered three times alike', async ({ spec, metadata }) => {
  const post = await started();
  // One that differs in nothing that is remembered has passed before.
  if (metadata !== undefined) expect((await post('pods', pod('plain', spec))).status).toBe(201);
  const [first, ...others] = [
    await post('pods', pod('first', spec, metadata)),
    await post('pods', pod('second', spec, metadata)),
    await post('pods', pod('third', spec, metadata)),
  ].map(({ text, ...rest }) => ({ ...rest, text: withoutChance(text) }));
  for (const other of others) expect(other).toEqual(first);
});

test('what was sent without being checked is not remembered', async () => {
  const post = await started();
  const spec = { containers: [{ ...container, imag: 'x' }] };
  expect((await post('pods', pod('first', spec), 'fieldValidation=Ignore')).status).toBe(201);
  expect((await post('pods', pod('second', spec), 'fieldValidation=Strict')).status).toBe(400);
  expect((await post('pods', pod('third', spec))).warning).toContain('unknown field');
});

test('how a number was written is told of the second as of the first', async () => {
  const post = await started();
  const text = (name: string): string =>
    JSON.stringify(pod(name, { containers: [container], activeDeadlineSeconds: 77 })).replace('77', '77.0');
  const [first, second] = [await post('pods', text('first')), await post('pods', text('second'))];
  expect(withoutChance(second.text)).toBe(withoutChance(first.text));
});

test('a pod does not have parts of another one that admission changes', async () => {
  const post = await started();
  await post('pods', pod('first', { containers: [container] }));
  const range = { metadata: { name: 'r' }, spec: { limits: [{ type: 'Container', default: { cpu: '2' } }] } };
  expect((await post('limitranges', range)).status).toBe(201);
  const made = [
    await post('pods', pod('second', { containers: [container] })),
    await post('pods', pod('third', { containers: [container] })),
  ].map(({ text }): Pod => JSON.parse(text));
  for (const { spec } of made) expect(spec?.containers[0]?.resources?.limits).toEqual({ cpu: '2' });
});

const plainSpec = JSON.stringify({ containers: [container] });
const metadata = '"metadata":{"name":"first"}';
const type = '"apiVersion":"v1","kind":"Pod"';
const endings: readonly (readonly [string, string])[] = [
  ['the same', `{${type},${metadata},"spec":${plainSpec}}`],
  ['no type', `{${metadata},"spec":${plainSpec}}`],
  ['another type', `{"apiVersion":"v1","kind":"Node",${metadata},"spec":${plainSpec}}`],
  ['another spec before', `{"spec":{"containers":[]},${type},${metadata},"spec":${plainSpec}}`],
  ['another spec just before', `{${type},${metadata},"spec":{},"spec":${plainSpec}}`],
  ['another spec before, otherwise written', `{"sp\\u0065c":{},${type},${metadata},"spec":${plainSpec}}`],
  ['a field twice', `{${type},"metadata":{"name":"second","name":"first"},"spec":${plainSpec}}`],
  ['an unknown field', `{${type},"more":1,${metadata},"spec":${plainSpec}}`],
  ['an unknown field in the metadata', `{${type},"metadata":{"name":"first","more":1},"spec":${plainSpec}}`],
  ['a status', `{${type},${metadata},"status":{"phase":"Running"},"spec":${plainSpec}}`],
  ['a number that is written otherwise', `{${type},"metadata":{"name":"first","generation":1.0},"spec":${plainSpec}}`],
  ['a number that no double holds', `{${type},"metadata":{"generation":9007199254740993},"spec":${plainSpec}}`],
  ['no name', `{${type},"metadata":{},"spec":${plainSpec}}`],
  ['a type that is wrong', `{${type},"metadata":[],"spec":${plainSpec}}`],
  ['half of a character', `{${type},"metadata":{"name":"first","labels":{"a":"\\ud800"}},"spec":${plainSpec}}`],
  ['an object that is not closed', `{${type},"metadata":{"name":"first","spec":${plainSpec}}`],
  ['a text that is not closed', `{${type},${metadata},"more":"x"spec":${plainSpec}}`],
  ['a list', `["spec":${plainSpec}}`],
  ['nothing', `"spec":${plainSpec}}`],
  ['a field of the spec twice', `{${type},${metadata},"spec":{"containers":[],${plainSpec.slice(1)}}`],
  ['what is deep', `{${type},"metadata":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)},"spec":${plainSpec}}`],
  ['a line feed at the end', `{${type},${metadata},"spec":${plainSpec}}\n`],
];

const endingRows = endings.flatMap(([what, body]) =>
  ['Ignore', 'Warn', 'Strict'].map((validation) => ({ what, body, validation })),
);

test.each(endingRows)(
  'a body with a known end and $what is answered as if it were not known ($validation)',
  async ({ body, validation }) => {
    const [warm, cold] = [await started(), await started()];
    for (const n of [1, 2, 3]) {
      const { status } = await warm('pods', `{${type},"metadata":{"name":"known-${n}"},"spec":${plainSpec}}`);
      expect(status).toBe(201);
    }
    const query = `dryRun=All&fieldValidation=${validation}`;
    const [first, again] = [await warm('pods', body, query), await warm('pods', body, query)].map(plainly);
    expect(first).toEqual(plainly(await cold('pods', body, query)));
    expect(again).toEqual(first);
  },
);

function plainly({ text, ...rest }: Answer): Answer {
  return { ...rest, text: withoutChance(text) };
}
