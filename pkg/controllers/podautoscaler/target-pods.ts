/**
 * The pods of an autoscaler's target, by the selector of its scale. Pods that another autoscaler counts too are nobody's. Holds one selector for each
 * autoscaler that was looked at, until it is forgotten. Upstream counterpart: `horizontal.go` `validateAndParseSelector`.
 */
import type { Pod } from '#pkg/api/types/core-v1.ts';
import { parseLabelSelector, type Selector } from '#pkg/apimachinery/label-selector.ts';
import type { Informer } from '#pkg/client/informer.ts';

/** Why there are none that may be counted. */
export interface PodsRefused {
  /** Of the condition, with its message. */
  readonly reason: string;
  readonly message: string;
  /** Of the event. */
  readonly event: string;
  readonly said: string;
}

/** The pods of all targets. */
export class TargetPods {
  readonly #pods: Informer<Pod>;
  readonly #selectors = new Map<string, Selector>();

  constructor(pods: Informer<Pod>) {
    this.#pods = pods;
  }

  /** The pods of the autoscaler `key`, which is `namespace/name`. */
  of(key: string, selector: string): { readonly pods: readonly Pod[] } | { readonly refused: PodsRefused } {
    if (selector === '') {
      const message = "the HPA target's scale is missing a selector";
      return refused('InvalidSelector', { event: 'SelectorRequired', said: 'selector is required', message });
    }
    const parsed = parseLabelSelector(selector);
    if (!parsed.ok) {
      const said = `couldn't convert selector into a corresponding internal selector object: ${parsed.error}`;
      return refused('InvalidSelector', { said });
    }
    this.#selectors.set(key, parsed.selector);
    const namespace = key.slice(0, key.indexOf('/'));
    const pods = this.#pods.lister.list(namespace).filter((pod) => parsed.selector.matches(pod.metadata?.labels));
    const others = [...this.#selectors].filter(
      ([other, selects]) =>
        other.startsWith(`${namespace}/`) && pods.some((pod) => selects.matches(pod.metadata?.labels)),
    );
    if (others.length < 2) return { pods };
    const names = others.map(([other]) => other).sort();
    const said = `pods by selector ${selector} are controlled by multiple HPAs: [${names.join(' ')}]`;
    return refused('AmbiguousSelector', { said });
  }

  /** The autoscaler has gone. */
  forget(key: string): void {
    this.#selectors.delete(key);
  }
}

function refused(
  reason: string,
  {
    event = reason,
    said,
    message = said,
  }: { readonly event?: string; readonly said: string; readonly message?: string },
): { readonly refused: PodsRefused } {
  return { refused: { reason, event, said, message } };
}
