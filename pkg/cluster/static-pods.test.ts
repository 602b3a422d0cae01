/** Files of static pods: what they become, and what is none. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { staticPodFlags, staticPodsOf } from './static-pod-flags.ts';
import { staticPodFiles, staticPodOf } from './static-pods.ts';

const at = { place: '/manifests/web.yaml', nodeName: 'node-1' };
const text = `
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  containers:
    - { name: web, image: nginx, ports: [{ containerPort: 80 }] }
`;

test('a file becomes the pod of its node, with what is left open filled in', () => {
  const pod = staticPodOf(text, at);
  const { uid = '' } = pod.metadata ?? {};
  expect(uid).toMatch(/^[0-9a-f]{32}$/);
  expect(pod.metadata).toEqual({
    name: 'web-node-1',
    namespace: 'default',
    uid,
    labels: { app: 'web' },
    annotations: { 'kubernetes.io/config.hash': uid, 'kubernetes.io/config.source': 'file' },
  });
  expect(pod.spec).toMatchObject({
    nodeName: 'node-1',
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
    containers: [{ imagePullPolicy: 'Always', ports: [{ containerPort: 80, protocol: 'TCP' }] }],
  });
  expect(pod.status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' });
});

test('what it says, the node and the place decide which pod it is, and nothing else', () => {
  const uidOf = (one: string, place: object = {}): string | undefined =>
    staticPodOf(one, { ...at, ...place }).metadata?.uid;
  expect(uidOf(`# ${text.length}\n${text}`)).toBe(uidOf(text));
  const others = [
    uidOf(text.replace('nginx', 'nginx:2')),
    uidOf(text, { nodeName: 'n2' }),
    uidOf(text, { place: '/b' }),
  ];
  expect(new Set([uidOf(text), ...others]).size).toBe(4);
});

test.each([
  ['what is no object', 'hello', 'it is no Pod of v1'],
  ['another kind', text.replace('kind: Pod', 'kind: Service'), 'it is no Pod of v1'],
  [
    'a field that there is not',
    text.replace('image:', 'picture:'),
    'strict decoding error: unknown field "spec.containers[0].picture"',
  ],
  [
    'a value of another type',
    text.replace('image: nginx', 'image: [1]'),
    'cannot unmarshal array into Go struct field',
  ],
  [
    'a pod that is not allowed',
    text.replace('name: web,', 'name: Web_,'),
    'invalid pod: Pod "Web_-node-1" is invalid: metadata.name',
  ],
  ['what refers to the API', `${text}  imagePullSecrets: [{ name: mine }]\n`, 'static pods may not reference secrets'],
  ['a service account', `${text}  serviceAccountName: me\n`, 'static pods may not reference serviceaccounts'],
])('%s is refused with the reason', (_, wrong, why) => {
  expect(() => staticPodOf(wrong, at)).toThrow(why);
});

test('a folder has a pod in each file, in their order, and a file alone is a place too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-static-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = staticPodFiles({ path: folder, periodMs: 1 }, 'n1');
  expect(await staticPodFiles({ path: join(folder, 'not-yet'), periodMs: 1 }, 'n1').read()).toEqual([]);
  writeFileSync(join(folder, 'b.yaml'), text);
  writeFileSync(join(folder, 'a.yaml'), 'kind: [');
  writeFileSync(join(folder, '.c.yaml.swp'), 'no');
  mkdirSync(join(folder, 'd'));
  const found = await files.read();
  expect(found.map((one) => ('pod' in one ? one.pod.metadata?.name : one.problem.split(' ')[0]))).toEqual([
    expect.any(String),
    'web-n1',
    'it',
  ]);
  expect((await staticPodFiles({ path: join(folder, 'b.yaml'), periodMs: 1 }, 'n1').read()).length).toBe(1);
});

test('a change of the folder is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'coxswain-static-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const stop = new AbortController();
  const told = Promise.withResolvers<void>();
  staticPodFiles({ path: folder, periodMs: 1 }, 'n1').watch(() => told.resolve(), stop.signal);
  writeFileSync(join(folder, 'a.yaml'), text);
  await told.promise;
  stop.abort();
});

test('flags say where they are', () => {
  expect(staticPodsOf({})).toBeUndefined();
  expect(staticPodsOf({ 'pod-manifest-path': '' })).toBeUndefined();
  expect(staticPodsOf({ 'pod-manifest-path': '/m' })).toEqual({ path: '/m', periodMs: 20_000 });
  expect(staticPodFlags['pod-manifest-path'].parse('m', undefined).ok).toBe(false);
});
