/** Pieces of schemas and rules that the kinds of `nodes.coxswain.dev` share. */
import type { NodeTemplate } from '#pkg/api/node-claim.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { at, child, type FieldError, type FieldPath, invalid } from '#pkg/apimachinery/field-error.ts';
import { validateLabels } from '#pkg/apimachinery/object-meta-validation.ts';
import { quantity, text } from '../vm/schemas.ts';

/** What a node is to be. */
export const template = {
  type: 'object',
  properties: {
    labels: { type: 'object', additionalProperties: text },
    taints: {
      type: 'array',
      items: {
        type: 'object',
        required: ['key', 'effect'],
        properties: {
          key: { type: 'string', minLength: 1 },
          value: text,
          effect: { type: 'string', enum: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
        },
      },
    },
    capacity: { type: 'object', additionalProperties: quantity },
    runtime: { type: 'string', minLength: 1 },
  },
};

/** What the schema cannot say of a template: that labels, keys and values of taints are such. */
export function templateProblems(given: Given<NodeTemplate> | undefined, path: FieldPath): readonly FieldError[] {
  const errors: FieldError[] = [];
  validateLabels(given?.labels ?? {}, child(path, 'labels'), errors);
  for (const [index, { key = '', value = '' }] of (given?.taints ?? []).entries())
    validateLabels({ [key]: value }, at(child(path, 'taints'), index), errors);
  for (const [name, amount] of Object.entries(given?.capacity ?? {}))
    if (String(amount).startsWith('-'))
      errors.push(invalid(at(child(path, 'capacity'), name), amount, 'must be greater than or equal to 0'));
  return errors;
}
