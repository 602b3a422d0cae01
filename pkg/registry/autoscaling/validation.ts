/** Source: upstream `ValidateHorizontalPodAutoscaler`. */
import { type FieldError, invalid, required } from '#pkg/apimachinery/field-error.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { numberAt, objectAt, stringAt } from '../draft.ts';

export function validateHorizontalPodAutoscaler(draft: JsonObject): readonly FieldError[] {
  const errors: FieldError[] = [];
  const spec = objectAt(draft, 'spec');
  const min = numberAt(spec, 'minReplicas');
  const max = numberAt(spec, 'maxReplicas') ?? 0;
  if (min !== undefined && min < 1) {
    errors.push(invalid('spec.minReplicas', min, 'must be greater than or equal to 1'));
  }
  if (max < 1) errors.push(invalid('spec.maxReplicas', max, 'must be greater than 0'));
  if (min !== undefined && max < min) {
    errors.push(invalid('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`'));
  }
  const target = objectAt(spec, 'scaleTargetRef');
  for (const field of ['kind', 'name']) {
    if (stringAt(target, field) === '') errors.push(required(`spec.scaleTargetRef.${field}`));
  }
  return errors;
}
