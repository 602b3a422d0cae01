/**
 * What happens in a simulated cluster, as lines of text: a line per change that a person would see in `kubectl get -w` of nodes and
 * pods, and per event. Names of generated objects follow from the seed, so two runs with one seed have equal recordings.
 */

import type { Event, Node, Pod } from '#pkg/api/types/core-v1.ts';
import { events, nodes, pods } from '#pkg/api/types/refs.ts';
import { findCondition } from '#pkg/apimachinery/conditions.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { Clock } from '#pkg/base/clock.ts';
import type { Informers, Lister } from '#pkg/client/informer.ts';

/** Lines kept; a longer run drops its oldest half, so that a day of a busy cluster stays in memory. */
const linesMax = 200_000;

export class Recording {
  readonly lines: string[] = [];
  readonly pods: Lister<Pod>;
  readonly #clock: Clock;
  readonly #ready = new Set<string>();
  /** What was last said of each object: an update that changes nothing a person sees is no line. */
  readonly #last = new Map<string, string>();

  constructor(clock: Clock, informers: Informers) {
    this.#clock = clock;
    const podInformer = informers.informer(pods);
    this.pods = podInformer.lister;
    podInformer.addHandler({
      added: (pod) => this.#say(`pod ${objectKey(pod)}`, describePod(pod)),
      updated: (_, pod) => this.#say(`pod ${objectKey(pod)}`, describePod(pod)),
      deleted: (pod) => this.#gone(`pod ${objectKey(pod)}`),
    });
    informers.informer(nodes).addHandler({
      added: (node) => this.#node(node),
      updated: (_, node) => this.#node(node),
      deleted: (node) => {
        this.#ready.delete(objectKey(node));
        this.#gone(`node ${objectKey(node)}`);
      },
    });
    informers.informer(events).addHandler({
      added: (event) => this.#event(event),
      updated: (_, event) => this.#event(event),
    });
  }

  get nodesReady(): number {
    return this.#ready.size;
  }

  #node(node: Node): void {
    const ready = findCondition(node.status?.conditions, 'Ready')?.status ?? 'Unknown';
    if (ready === 'True') this.#ready.add(objectKey(node));
    else this.#ready.delete(objectKey(node));
    const taints = (node.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
    this.#say(`node ${objectKey(node)}`, `Ready=${ready}${taints.length === 0 ? '' : ` taints=${taints.join(',')}`}`);
  }

  #event(event: Event): void {
    const { kind, name, namespace } = event.involvedObject;
    const about = `${kind?.toLowerCase()} ${namespace === undefined ? name : `${namespace}/${name}`}`;
    const count = (event.count ?? 1) > 1 ? ` (x${event.count})` : '';
    this.#line(`${about}: ${event.type} ${event.reason} ${event.message}${count}`);
  }

  #say(subject: string, state: string): void {
    if (this.#last.get(subject) === state) return;
    this.#last.set(subject, state);
    this.#line(`${subject}: ${state}`);
  }

  #gone(subject: string): void {
    this.#last.delete(subject);
    this.#line(`${subject}: deleted`);
  }

  #line(text: string): void {
    if (this.lines.length >= linesMax) this.lines.splice(0, linesMax / 2);
    this.lines.push(`${elapsed(this.#clock.monotonicMs())} ${text}`);
  }
}

function describePod(pod: Pod): string {
  const status = pod.status;
  const containers = status?.containerStatuses ?? [];
  const waiting = containers
    .map(({ state }) => state?.waiting?.reason ?? state?.terminated?.reason)
    .find((reason) => reason);
  const parts = [
    pod.metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating',
    `ready=${containers.filter(({ ready }) => ready).length}/${pod.spec?.containers.length ?? 0}`,
    `restarts=${containers.reduce((sum, { restartCount }) => sum + restartCount, 0)}`,
    ...(waiting === undefined ? [] : [`reason=${waiting}`]),
    ...(pod.spec?.nodeName === undefined ? [] : [`node=${pod.spec.nodeName}`]),
  ];
  return parts.join(' ');
}

/** `1d02:03:04.005`: time since the start. */
function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${days}d${clock}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
}
