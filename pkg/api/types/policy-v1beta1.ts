/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ObjectMeta } from '#pkg/apimachinery/object.ts';
import type { DeleteOptions } from './meta-v1.ts';

export interface Eviction {
  readonly apiVersion?: 'policy/v1beta1';
  readonly kind?: 'Eviction';
  readonly metadata?: ObjectMeta;
  readonly deleteOptions?: DeleteOptions;
}
