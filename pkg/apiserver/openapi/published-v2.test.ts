import { expect, test } from 'vitest';
import { publishedV2 } from './published-v2.ts';

const text = { type: 'string' };

test.each([
  [
    'an object that keeps unknown fields says nothing else',
    { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: text } },
    { type: 'object' },
  ],
  [
    'a field that keeps them has no type and no fields',
    {
      type: 'object',
      properties: { a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { b: text } } },
    },
    { type: 'object', properties: { a: { 'x-kubernetes-preserve-unknown-fields': true } } },
  ],
  [
    'what may be null has no type and is not required',
    { type: 'object', required: ['a', 'b'], properties: { a: { type: 'string', nullable: true }, b: text } },
    { type: 'object', required: ['b'], properties: { a: {}, b: text } },
  ],
  [
    'defaults and alternatives are not shown',
    {
      type: 'object',
      properties: {
        a: { type: 'string', default: 'x', minLength: 1, anyOf: [{ maxLength: 3 }], not: { enum: ['y'] } },
      },
    },
    { type: 'object', properties: { a: { type: 'string', minLength: 1 } } },
  ],
  [
    'lists and maps are converted within',
    {
      type: 'object',
      properties: {
        a: { type: 'array', items: { type: 'string', nullable: true } },
        b: { type: 'object', additionalProperties: { type: 'array', nullable: true, items: text } },
      },
    },
    {
      type: 'object',
      properties: { a: { type: 'array', items: {} }, b: { type: 'object', additionalProperties: {} } },
    },
  ],
])('%s', (_, schema, wanted) => {
  expect(publishedV2(schema)).toEqual(wanted);
});
