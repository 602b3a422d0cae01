/** A pod is run by the runtime that its class's handler names, or by a way of one of them. */
import { expect, test } from 'vitest';
import type { Runtime, RuntimeCapabilities } from '../runtime/runtime.ts';
import { chooseRuntime, handlersOf } from './runtime-choice.ts';

const made = (name: string, handlers?: readonly string[]): Runtime => {
  const capabilities: RuntimeCapabilities = {
    name,
    version: '1',
    features: new Set(),
    ...(handlers === undefined ? {} : { handlers: new Set(handlers) }),
  };
  return { capabilities } as Runtime;
};
const runtimes = { cri: made('containerd', ['kata', 'fake']), fake: made('fake') };
const node = { runtimes, defaultRuntime: 'cri' };

test.each([
  ['none', undefined, { runtime: runtimes.cri }],
  ['a runtime of the node', 'fake', { runtime: runtimes.fake }],
  ['a way of one of them', 'kata', { runtime: runtimes.cri, handler: 'kata' }],
  ['nothing that is there', 'gvisor', undefined],
  ['what every object has', 'constructor', undefined],
])('a class whose handler is %s', (_, handler, chosen) => {
  expect(chooseRuntime(handler, node)).toEqual(chosen);
});

test('all handlers of a node are told, each once', () => {
  expect(handlersOf(runtimes)).toEqual(['cri', 'fake', 'kata']);
});
