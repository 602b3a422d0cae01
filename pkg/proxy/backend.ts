/**
 * What carries the traffic. Adding a backend is a folder in `backends/` and a line where a process chooses one.
 *
 * Laws:
 * 1. `sync` makes the backend do exactly what `rules` say, whatever it did before; calling it again with the same rules changes nothing but tries
 *    again what failed. Calls do not overlap.
 * 2. When it has resolved, new connections follow the new rules. Connections that were made before keep their endpoint, also when it is no
 *    longer in the rules, until either side ends them; UDP flows to such an endpoint are dropped.
 * 3. A rule without endpoints refuses connections.
 * 4. What cannot be done for one rule is returned and does not keep the others from being done.
 * 5. After `close` has resolved nothing of this process is left: no listener, no connection that it carries, no timer, no child. `sync` must not be
 *    called after it. Rules in the kernel may be left for the next proxy where whoever made the backend wanted so.
 */
import type { Rule, RuleSet } from './model/rule.ts';

/** A part of a rule that could not be done. */
export interface RuleFailure {
  readonly rule: Rule;
  /** Such as `127.0.0.1:80`; absent when it is about the rule as a whole. */
  readonly address?: string;
  /** One sentence for people, without a full stop. */
  readonly message: string;
}

/** One backend; see the laws above. */
export interface Backend {
  sync(rules: RuleSet): Promise<readonly RuleFailure[]>;
  close(): Promise<void>;
}
