import { expect, test } from 'vitest';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { startTestServer } from '#pkg/apiserver/testing/test-server.ts';
import { createStrategies } from './table.ts';
import { strategyOf, testContext } from './testing.ts';

const pod = (seconds: number) => ({ spec: { terminationGracePeriodSeconds: seconds, containers: [{ name: 'c' }] } });
const text = 'spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1';

function warned(run: (context: ReturnType<typeof testContext>) => void): readonly string[] {
  const texts: string[] = [];
  run({ ...testContext(), warn: (message) => texts.push(message) });
  return texts;
}

test.each([
  ['deployments', { template: pod(-1) }, 'spec.template.'],
  ['daemonsets', { template: pod(-1) }, 'spec.template.'],
  ['cronjobs', { jobTemplate: { spec: { template: pod(-1) } } }, 'spec.jobTemplate.spec.template.'],
])('%s warn of their pod template when it is made and when it changes', (resource, spec, where) => {
  const strategy = strategyOf(resource);
  const make = (): JsonObject => ({ metadata: { name: 'a' }, spec: structuredClone(spec) });
  expect(warned((context) => strategy.prepareForCreate!(make(), context))).toEqual([`${where}${text}`]);
  const old = { ...make(), spec: {} } as KubeObject;
  expect(warned((context) => strategy.prepareForUpdate!(make(), old, context))).toEqual([`${where}${text}`]);
  expect(warned((context) => strategy.prepareForUpdate!(make(), make() as KubeObject, context))).toEqual([]);
});

test('a name that does not fit pods is warned of', () => {
  const draft = { metadata: { name: 'a.b' }, spec: { template: pod(1) } };
  expect(warned((context) => strategyOf('deployments').prepareForCreate!(draft, context))).toEqual([
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]',
  ]);
});

test('a refusal says what is wrong, and warns of nothing besides', async () => {
  const { call } = await startTestServer({ strategies: createStrategies() });
  const labels = { app: 'a' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'x' }] } };
  const deploy = (name: string, matchLabels: object) =>
    call('POST', '/apis/apps/v1/namespaces/default/deployments', {
      object: { metadata: { name }, spec: { selector: { matchLabels }, template } },
    });
  const [warned, refused] = [await deploy('a.b', labels), await deploy('a.c', { app: 'other' })];
  expect([warned.status, warned.headers.warning]).toEqual([201, expect.stringContaining('a DNS label is recommended')]);
  expect([refused.status, refused.headers.warning]).toEqual([422, undefined]);
});
