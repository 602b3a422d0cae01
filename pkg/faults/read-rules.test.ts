import { expect, test } from 'vitest';
import { readRules } from './read-rules.ts';

const rule = { name: 'a', fault: 'error', verbs: ['get'], resources: ['pods'] };

test('a rule, a list of rules and a file of rules are read as they are', () => {
  for (const data of [rule, [rule], { faults: [rule] }]) expect(readRules(data, ['server'])).toEqual([rule]);
});

test.each([
  [{ ...rule, verbs: undefined }, 'faults[0].verbs: required for error'],
  [{ ...rule, verbs: ['fetch'] }, 'faults[0].verbs: "fetch" is none of'],
  [{ ...rule, verbs: [] }, 'faults[0].verbs: must be a list of words that is not empty'],
  [{ ...rule, fault: 'meteor' }, 'faults[0].fault: must be one of error, conflict'],
  [{ ...rule, fault: 'toString' }, 'faults[0].fault: must be one of'],
  [{ ...rule, name: 'A b' }, 'faults[0].name: must be a name'],
  [{ ...rule, share: 2 }, 'faults[0].share: must be a number from 0 to 1'],
  [{ ...rule, times: 0 }, 'faults[0].times: must be a whole number from 1 on'],
  [{ ...rule, code: 200 }, 'faults[0].code: must be an HTTP status from 400 to 599'],
  [{ ...rule, reason: 'Sunspots' }, 'faults[0].reason: "Sunspots" is none of'],
  [{ ...rule, after: 'soon' }, 'faults[0].after: must be a duration such as 1m30s'],
  [{ ...rule, delay: '1s' }, 'faults[0].delay: not used by error'],
  [{ ...rule, colour: 'red' }, 'faults[0].colour: unknown field'],
  [[rule, rule], 'faults[1].name: "a" is the name of another rule too'],
  [{ faults: [rule], more: 1 }, 'more: unknown field'],
  [{ faults: 3 }, 'faults[0]: must be an object'],
  [{ name: 'b', fault: 'conflict', resources: ['pods'], verbs: ['get'] }, '"get" is none of patch, update'],
  [{ name: 'b', fault: 'clock-jump', by: '1h' }, 'clock-jump acts in clusters for tests only'],
])('%o is refused', (data, message) => {
  expect(() => readRules(data, ['server'])).toThrow(message);
});

test('all that is wrong is said in one line', () => {
  const lines =
    'Cannot use the fault rules: faults[0].resources: required for error; faults[0].share: must be a number from 0 to 1';
  expect(() => readRules({ name: 'a', fault: 'error', verbs: ['get'], share: -1 }, ['server'])).toThrow(lines);
});
