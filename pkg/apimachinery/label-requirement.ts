/** One condition on one label: what selectors are made of, whether they come as text or as objects. */

/** What a requirement asks of a label; the signs as text has them. */
export type SelectorOperator = '!' | '!=' | '=' | '==' | 'exists' | 'gt' | 'in' | 'lt' | 'notin';

/** One condition on one label. `values` is sorted and empty for `exists` and `!`. */
export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}
