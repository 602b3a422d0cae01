import { expect, test } from 'vitest';
import { canBeModel, SpecModel } from './spec-model.ts';

const name = 'kube-api-access-abcde';
const other = 'kube-api-access-zyxwv';

function spec() {
  return {
    containers: [
      { name: 'main', resources: { requests: { cpu: '1' } }, volumeMounts: [{ name, mountPath: '/run' }] },
      { name: 'side', args: [`--of=${name}/${name}`] },
    ],
    tolerations: [{ key: 'a' }],
    volumes: [{ name: 'own' }, { name, projected: { sources: [{ path: 'token' }] } }],
    restartPolicy: 'Always',
  };
}

test('a spec with another name has the text of the model, with that name', () => {
  const model = spec();
  const made = new SpecModel(model, name).named(other);
  expect(JSON.stringify(made)).toBe(JSON.stringify(spec()).replaceAll(name, other));
  expect(model).toEqual(spec());
});

test('what does not have the name is shared with the model', () => {
  const model = spec();
  const made = new SpecModel(model, name).named(other) as unknown as typeof model;
  expect(made.tolerations).toBe(model.tolerations);
  expect(made.containers[0]?.resources).toBe(model.containers[0]?.resources);
  expect(made.volumes[0]).toBe(model.volumes[0]);
  expect(made.volumes[1]?.projected).toBe(model.volumes[1]?.projected);
  expect(made.volumes[1]).not.toBe(model.volumes[1]);
});

test('a spec of its own comes of a model without a name too, with shared parts', () => {
  const model = spec();
  const made = new SpecModel(model, undefined).named(undefined);
  expect(made).toEqual(model);
  expect(made).not.toBe(model);
  expect(made.containers).toBe(model.containers);
});

test('what has the name in a key is no model', () => {
  expect(canBeModel(spec(), name)).toBe(true);
  expect(canBeModel({ ...spec(), nodeSelector: { [`x-${name}`]: 'y' } }, name)).toBe(false);
  expect(canBeModel({ nodeSelector: { [name]: 'y' } }, undefined)).toBe(true);
});

test('keys such as __proto__ stay own', () => {
  const model = JSON.parse(`{"a":{"__proto__":"${name}"}}`);
  const made = new SpecModel(model, name).named(other);
  expect(JSON.stringify(made)).toBe(`{"a":{"__proto__":"${other}"}}`);
});
