/** What a rule of a custom resource costs: ten comparisons of its fields, as they are looked at with every write. */
import process from 'node:process';
import { compileRules } from '#pkg/apiserver/structural-rules.ts';
import type { Stage } from './bars-stage.ts';
import { median } from './statistics.ts';

const comparisons = 10;
const evaluationsEach = 20_000;
const rounds = 11;

const names = Array.from({ length: comparisons }, (_, n) => `field${n}`);

/** Half of the fields are integers, half are texts. */
const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: Object.fromEntries(
        names.map((name, n) => [name, n % 2 === 0 ? { type: 'integer' } : { type: 'string', maxLength: 100 }]),
      ),
      'x-kubernetes-validations': [
        { rule: names.map((name, n) => (n % 2 === 0 ? `self.${name} < 100` : `self.${name} != "x"`)).join(' && ') },
      ],
    },
  },
};

/** Measures in this process: no server is asked. */
export async function expressionBars({ say }: Stage): Promise<void> {
  const check = compileRules(schema);
  if (check === undefined) throw new Error('The rule was not found');
  const objects = Array.from({ length: 16 }, (_, turn) => ({
    spec: Object.fromEntries(names.map((name, n) => [name, n % 2 === 0 ? turn : `value ${turn}`])),
  }));
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.threadCpuUsage();
    for (let n = 0; n < evaluationsEach; n++) {
      const errors = check(objects[n % objects.length], undefined, () => {});
      if (errors.length > 0) throw new Error(`The rule was broken: ${JSON.stringify(errors[0])}`);
    }
    const { user, system } = process.threadCpuUsage(before);
    times.push((user + system) / evaluationsEach);
  }
  // The first round compiles.
  const value = median(times.slice(1));
  say({ figure: `a rule of ${comparisons} comparisons, processor time`, value, unit: 'µs', most: 30 });
}
