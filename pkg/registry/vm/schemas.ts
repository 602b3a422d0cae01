/** Pieces of schemas that the kinds of `vm.coxswain.dev` share. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';

/** Any text. @internal */
export const text = { type: 'string' };
/** @internal */
export const flag = { type: 'boolean' };
/** A number from 0. @internal */
export const count = { type: 'integer', format: 'int64', minimum: 0 };
/** From one checkpoint of a stand-by to the next. @internal */
export const intervalMs = { type: 'integer', format: 'int32', minimum: 10, maximum: 60_000, default: 200 };
/** How long a stand-by waits for a silent node. @internal */
export const takeoverMs = { type: 'integer', format: 'int32', minimum: 1000, maximum: 600_000, default: 5000 };
/** As Kubernetes writes amounts. @internal */
export const quantity = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
  pattern:
    '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
};
const condition = {
  type: 'object',
  required: ['type', 'status'],
  properties: {
    type: text,
    status: text,
    reason: text,
    message: text,
    lastTransitionTime: { type: 'string', format: 'date-time' },
  },
};

/** Conditions, one of each type. @internal */
export const conditions = {
  type: 'array',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
  items: condition,
};

/** The schema of a kind that is made of these two. @internal */
export function objectSchema(spec: JsonObject, status: JsonObject): JsonObject {
  return {
    type: 'object',
    required: ['spec'],
    properties: { apiVersion: text, kind: text, metadata: { type: 'object' }, spec, status },
  };
}
