import { expect, test } from 'vitest';
import { exponentialBuckets, Metrics } from './metrics.ts';

test('series are found by their labels, and families of one name are one', () => {
  const metrics = new Metrics();
  const spec = { name: 'x_total', help: 'Xs', labels: ['a', 'b'] };
  metrics.counter(spec).of('1', '2').value++;
  metrics.counter(spec).of('1', '2').value++;
  metrics.counter(spec).of('1', '').value += 5;
  metrics.collect('more', () => [
    { name: 'x_total', help: 'Xs', type: 'counter', samples: [{ labels: { a: 'late', b: '' }, value: 7 }] },
  ]);
  expect(metrics.families()).toEqual([
    {
      name: 'x_total',
      help: 'Xs',
      type: 'counter',
      samples: [
        { labels: { a: '1', b: '2' }, value: 2 },
        { labels: { a: '1', b: '' }, value: 5 },
        { labels: { a: 'late', b: '' }, value: 7 },
      ],
    },
  ]);
});

test('a value falls into the first bucket that is not below it, and buckets are given out summed up', () => {
  const metrics = new Metrics();
  const histogram = metrics.histogram({ name: 'h', help: 'H', buckets: [1, 2] }).of();
  for (const value of [0.5, 1, 1.5, 9]) histogram.observe(value);
  expect(metrics.families()[0]?.samples.map(({ suffix, labels, value }) => [suffix, labels.le, value])).toEqual([
    ['_bucket', '1', 2],
    ['_bucket', '2', 3],
    ['_bucket', '+Inf', 4],
    ['_sum', undefined, 12],
    ['_count', undefined, 4],
  ]);
});

test('a family keeps a bounded number of series', () => {
  const counter = new Metrics();
  const family = counter.counter({ name: 'x', help: 'X', labels: ['id'] });
  for (let id = 0; id < 10_050; id++) family.of(String(id)).value++;
  expect(counter.families()[0]?.samples.length).toBe(10_000);
});

test('bounds grow by a factor, without the noise of binary fractions', () => {
  expect(exponentialBuckets(1e-8, 10, 4)).toEqual([1e-8, 1e-7, 1e-6, 1e-5]);
});
