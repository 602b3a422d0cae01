import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { ModelSpec, nameMark } from './model-spec.ts';

/** As `known-specs.ts` makes one. */
function modelOf(spec: JsonObject, name: string | undefined): ModelSpec {
  const text = JSON.stringify(spec);
  return new ModelSpec(spec, name, name === undefined ? text : text.replaceAll(name, nameMark));
}

const spec = {
  nodeSelector: { zone: 'a' },
  volumes: [{ name: 'data' }, { name: 'token-aaaaa', projected: { sources: [{ path: 'x' }] } }],
  containers: [{ name: 'main', args: ['--from=token-aaaaa,token-aaaaa'], volumeMounts: [{ name: 'token-aaaaa' }] }],
  nothing: null,
};

test('a spec made after a model has its name where the model has its own, and shares the rest', () => {
  const made = modelOf(spec, 'token-aaaaa').named('token-bbbbb');
  expect(JSON.stringify(made)).toBe(JSON.stringify(spec).replaceAll('aaaaa', 'bbbbb'));
  expect(made?.nodeSelector).toBe(spec.nodeSelector);
  expect(made).toHaveProperty('volumes[1].projected', spec.volumes[1]?.projected);
});

test('without a name it shares everything but itself', () => {
  const made = modelOf(spec, undefined).named(undefined);
  expect(made).toEqual(spec);
  expect(made).not.toBe(spec);
  expect(made?.volumes).toBe(spec.volumes);
});

test('a field that is named so is nothing to share', () => {
  const model = modelOf({ labels: [{ 'token-aaaaa': 'x' }] }, 'token-aaaaa');
  expect([model.named('token-bbbbb'), model.named('token-ccccc')]).toEqual([undefined, undefined]);
});

test('a field that is called as no other may be is kept', () => {
  const text = '{"map":{"__proto__":"token-aaaaa","b":"token-aaaaa"}}';
  const made = modelOf(JSON.parse(text), 'token-aaaaa').named('token-bbbbb');
  expect(JSON.stringify(made)).toBe(text.replaceAll('aaaaa', 'bbbbb'));
});

test('a spec is one of a model where its text is that under another name', () => {
  const model = modelOf(spec, 'token-aaaaa');
  const renamed = JSON.stringify(spec).replaceAll('aaaaa', 'bbbbb');
  expect(model.fits(JSON.parse(renamed), 'token-bbbbb')).toBe(true);
  expect(model.text('token-bbbbb')).toBe(renamed);
  expect(modelOf(spec, undefined).fits(structuredClone(spec), undefined)).toBe(true);
});

const volumes = (first: string, second: string): JsonObject => ({ volumes: [{ name: first }, { name: second }] });

test.each<[what: string, other: JsonObject, name: string | undefined]>([
  ['another value', volumes('logs', 'token-bbbbb'), 'token-bbbbb'],
  ['the name of the model itself beside its own', volumes('token-aaaaa', 'token-bbbbb'), 'token-bbbbb'],
  ['its own name where the model has none', volumes('token-bbbbb', 'token-bbbbb'), 'token-bbbbb'],
  ['a further field', { ...volumes('data', 'token-bbbbb'), hostname: 'x' }, 'token-bbbbb'],
  ['a field less', {}, 'token-bbbbb'],
  ['a further item', { volumes: [{ name: 'data' }, { name: 'token-bbbbb' }, {}] }, 'token-bbbbb'],
  ['a list in the place of a text', { volumes: [{ name: ['data'] }, { name: 'token-bbbbb' }] }, 'token-bbbbb'],
  ['an object in the place of a list', { volumes: { 0: { name: 'data' }, 1: { name: 'token-bbbbb' } } }, 'token-bbbbb'],
  ['no name', volumes('data', 'token-aaaaa'), undefined],
])('a spec with %s is none', (_what, other, name) => {
  expect(modelOf(volumes('data', 'token-aaaaa'), 'token-aaaaa').fits(other, name)).toBe(false);
});

test('fields in another order make another text', () => {
  expect(modelOf({ a: 1, b: 2 }, undefined).fits({ b: 2, a: 1 }, undefined)).toBe(false);
});
