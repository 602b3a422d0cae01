import { expect, test } from 'vitest';
import { ModelSpec } from './model-spec.ts';

const spec = {
  nodeSelector: { zone: 'a' },
  volumes: [{ name: 'data' }, { name: 'token-aaaaa', projected: { sources: [{ path: 'x' }] } }],
  containers: [{ name: 'main', args: ['--from=token-aaaaa,token-aaaaa'], volumeMounts: [{ name: 'token-aaaaa' }] }],
  nothing: null,
};

test('a spec made after a model has its name where the model has its own, and shares the rest', () => {
  const made = new ModelSpec(spec, 'token-aaaaa').named('token-bbbbb');
  expect(JSON.stringify(made)).toBe(JSON.stringify(spec).replaceAll('aaaaa', 'bbbbb'));
  expect(made?.nodeSelector).toBe(spec.nodeSelector);
  expect(made).toHaveProperty('volumes[1].projected', spec.volumes[1]?.projected);
});

test('without a name it shares everything but itself', () => {
  const made = new ModelSpec(spec, undefined).named(undefined);
  expect(made).toEqual(spec);
  expect(made).not.toBe(spec);
  expect(made?.volumes).toBe(spec.volumes);
});

test('a field that is named so is nothing to share', () => {
  const model = new ModelSpec({ labels: [{ 'token-aaaaa': 'x' }] }, 'token-aaaaa');
  expect([model.named('token-bbbbb'), model.named('token-ccccc')]).toEqual([undefined, undefined]);
});

test('a field that is called as no other may be is kept', () => {
  const text = '{"map":{"__proto__":"token-aaaaa","b":"token-aaaaa"}}';
  const made = new ModelSpec(JSON.parse(text), 'token-aaaaa').named('token-bbbbb');
  expect(JSON.stringify(made)).toBe(text.replaceAll('aaaaa', 'bbbbb'));
});
