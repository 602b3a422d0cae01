/**
 * The policies of a server with their bindings, as they are stored. Told of changes before whoever made them is answered, so that a request after that
 * is judged by them. Compiles nothing: `compile` is called when a policy is first asked about.
 */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { FollowSink } from '#pkg/apiserver/follow.ts';

/** A policy, compiled, and the bindings that put it to use. */
export interface Hook<Compiled, Binding> {
  readonly name: string;
  readonly policy: Compiled;
  readonly bindings: readonly Binding[];
}

/** What a binding says of its policy. */
interface Bound extends KubeObject {
  readonly spec?: { readonly policyName?: string };
}

/** Policies by name and their bindings. */
export class Hooks<Policy extends KubeObject, Binding extends Bound, Compiled> {
  readonly #policies = new Map<string, Policy>();
  readonly #bindings = new Map<string, Binding>();
  readonly #compile: (policy: Policy) => Compiled;
  #hooks: readonly Hook<Compiled, Binding>[] | undefined = [];
  readonly #compiled = new WeakMap<Policy, Compiled>();

  constructor(compile: (policy: Policy) => Compiled) {
    this.#compile = compile;
  }

  /** Those that have a binding, in the order of their names. */
  get all(): readonly Hook<Compiled, Binding>[] {
    this.#hooks ??= this.#gather();
    return this.#hooks;
  }

  /** What tells of the policies, and of the bindings. */
  readonly policies: FollowSink<Policy> = this.#sink(this.#policies);
  readonly bindings: FollowSink<Binding> = this.#sink(this.#bindings);

  #sink<T extends KubeObject>(objects: Map<string, T>): FollowSink<T> {
    return {
      set: (object) => {
        objects.set(object.metadata?.name ?? '', object);
        this.#hooks = undefined;
      },
      remove: (object) => {
        objects.delete(object.metadata?.name ?? '');
        this.#hooks = undefined;
      },
    };
  }

  #gather(): readonly Hook<Compiled, Binding>[] {
    const hooks: Hook<Compiled, Binding>[] = [];
    const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);
    const bindings = [...this.#bindings].sort(byName).map(([, binding]) => binding);
    for (const [name, policy] of [...this.#policies].sort(byName)) {
      const own = bindings.filter(({ spec }) => spec?.policyName === name);
      if (own.length === 0) continue;
      let compiled = this.#compiled.get(policy);
      if (compiled === undefined) {
        compiled = this.#compile(policy);
        this.#compiled.set(policy, compiled);
      }
      hooks.push({ name, policy: compiled, bindings: own });
    }
    return hooks;
  }
}
