/** Custom resources whose versions a webhook converts. The webhook answers in this process, in place of a network. */
import { expect } from 'vitest';
import type { CustomResourceDefinition } from '#pkg/api/types/apiextensions-v1.ts';
import { customResourceDefinitions } from '#pkg/api/types/refs.ts';
import type { CallWebhook } from '#pkg/registry/remote/call-webhook.ts';
import { behaviour, type Stage } from './behaviour.ts';

const title = '[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin]';
const group = 'conformance.example.com';
const path = (version: string): string => `/apis/${group}/${version}/namespaces/conformance/converted`;

// biome-ignore lint/suspicious/noExplicitAny: objects of every shape.
type Body = any;

/** As upstream's test image converts: `v1` has host and port in one text, `v2` apart. */
function convert({ hostPort, host, port, ...object }: Body, apiVersion: string): Body {
  const fields =
    apiVersion === `${group}/v2`
      ? { host: hostPort.split(':')[0], port: hostPort.split(':')[1] }
      : { hostPort: `${host}:${port}` };
  return { ...object, apiVersion, ...fields };
}

const callWebhook: CallWebhook = async ({ url, body }) => {
  if (new URL(url).pathname !== '/crdconvert') throw new Error('connect ECONNREFUSED');
  const { kind, apiVersion, request }: Body = JSON.parse(body);
  const convertedObjects = request.objects.map((object: Body) => convert(object, request.desiredAPIVersion));
  const response = { uid: request.uid, result: { status: 'Success' }, convertedObjects };
  return { status: 200, text: JSON.stringify({ kind, apiVersion, response }) };
};

const text = { type: 'string' };
const crd: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `converted.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'converted', kind: 'Converted' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', properties: { hostPort: text } } },
      },
      {
        name: 'v2',
        served: true,
        storage: false,
        schema: { openAPIV3Schema: { type: 'object', properties: { host: text, port: text } } },
      },
    ],
    conversion: {
      strategy: 'Webhook',
      webhook: {
        clientConfig: { url: 'https://hooks.example.com/crdconvert' },
        conversionReviewVersions: ['v1', 'v1beta1'],
      },
    },
  },
};

async function establish(stage: Stage): Promise<void> {
  await stage.of(customResourceDefinitions).create(crd);
  await stage.cluster.until(async () => {
    const { status } = await stage.of(customResourceDefinitions).get(`converted.${group}`);
    return (status?.conditions ?? []).some((one) => one.type === 'Established' && one.status === 'True');
  });
}

async function create(stage: Stage, version: string, name: string, fields: object): Promise<void> {
  const body = { apiVersion: `${group}/${version}`, kind: 'Converted', metadata: { name }, ...fields };
  const made = await stage.request('POST', path(version), { body });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
}

behaviour(
  `${title} should be able to convert from CR v1 to CR v2`,
  async (stage) => {
    await establish(stage);
    await create(stage, 'v1', 'one', { hostPort: 'localhost:8080' });
    const read = await stage.request('GET', `${path('v2')}/one`);
    expect(read.body).toMatchObject({ apiVersion: `${group}/v2`, host: 'localhost', port: '8080' });
    expect(read.body).not.toHaveProperty('hostPort');
  },
  { callWebhook },
);

behaviour(
  `${title} should be able to convert a non homogeneous list of CRs`,
  async (stage) => {
    await establish(stage);
    await create(stage, 'v1', 'one', { hostPort: 'localhost:8080' });
    const definitions = stage.of(customResourceDefinitions);
    const current = await definitions.get(`converted.${group}`);
    const versions = current.spec.versions.map((version) => ({ ...version, storage: version.name === 'v2' }));
    await definitions.update({ ...current, spec: { ...current.spec, versions } });
    await create(stage, 'v1', 'two', { hostPort: 'localhost:8081' });
    const [first, second] = [await stage.request('GET', path('v1')), await stage.request('GET', path('v2'))];
    const shown = ({ items }: Body) => items.map(({ hostPort, host, port }: Body) => ({ hostPort, host, port }));
    expect(shown(first.body)).toEqual([{ hostPort: 'localhost:8080' }, { hostPort: 'localhost:8081' }]);
    expect(shown(second.body)).toEqual([
      { host: 'localhost', port: '8080' },
      { host: 'localhost', port: '8081' },
    ]);
  },
  { callWebhook },
);
