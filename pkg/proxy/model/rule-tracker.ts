/**
 * Keeps the rules of all Services from the changes of Services and endpoint slices: only what changed is worked out again, and a rule
 * whose value is the same as before stays the same object. Upstream counterpart: kube-proxy's change trackers.
 */

import type { Service } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import { type HealthCheck, healthCheckOf } from './health-check.ts';
import { changeRules, type ProxyPlace, type Rule, type RuleSet } from './rule.ts';
import { rulesOfService, serviceNameLabel } from './service-rules.ts';

/** The rules of one proxy. Changes are taken at once and worked out when the rules are next asked for. */
export class RuleTracker {
  #place: ProxyPlace;
  readonly #services = new Map<string, Service>();
  /** Slices by the key of their Service, then by their own key. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #rulesOf = new Map<string, readonly Rule[]>();
  readonly #healthOf = new Map<string, HealthCheck>();
  readonly #dirty = new Set<string>();
  #rules: RuleSet = new Map();

  constructor(place: ProxyPlace) {
    this.#place = place;
  }

  /** The zone of the node, as its label says: every rule may be another one by it. False, and nothing is done, where it is the same. */
  setZone(zone: string | undefined): boolean {
    if (zone === this.#place.zone) return false;
    this.#place = { ...this.#place, zone };
    for (const key of this.#services.keys()) this.#dirty.add(key);
    return true;
  }

  setService(service: Service): void {
    const key = objectKey(service);
    this.#services.set(key, service);
    this.#dirty.add(key);
  }

  removeService(service: Service): void {
    const key = objectKey(service);
    this.#services.delete(key);
    this.#dirty.add(key);
  }

  setSlice(slice: EndpointSlice): void {
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    let slices = this.#slices.get(key);
    if (slices === undefined) {
      slices = new Map();
      this.#slices.set(key, slices);
    }
    slices.set(objectKey(slice), slice);
    this.#dirty.add(key);
  }

  removeSlice(slice: EndpointSlice): void {
    const key = serviceKeyOf(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key);
    slices?.delete(objectKey(slice));
    if (slices?.size === 0) this.#slices.delete(key);
    this.#dirty.add(key);
  }

  /** The rules as of now. The same set, by identity, when nothing changed since the last call. */
  rules(): RuleSet {
    const changes = new Map<string, Rule | undefined>();
    for (const key of this.#dirty) this.#workOut(key, changes);
    this.#dirty.clear();
    if (changes.size > 0) this.#rules = changeRules(this.#rules, changes);
    return this.#rules;
  }

  /** The health checks as of the last call of `rules`. */
  healthChecks(): readonly HealthCheck[] {
    return [...this.#healthOf.values()];
  }

  /** Says what became of the rules of a Service. */
  #workOut(key: string, changes: Map<string, Rule | undefined>): void {
    const before = this.#rulesOf.get(key) ?? [];
    const service = this.#services.get(key);
    const slices = [...(this.#slices.get(key)?.values() ?? [])];
    const options = this.#place;
    const health = service === undefined ? undefined : healthCheckOf(service, slices, options);
    if (health === undefined) this.#healthOf.delete(key);
    else this.#healthOf.set(key, health);
    const now = service === undefined ? [] : rulesOfService(service, slices, options);
    const known = new Map(before.map((rule) => [rule.key, rule]));
    const kept = now.map((rule) => {
      const previous = known.get(rule.key);
      return previous !== undefined && deepEqual(previous, rule) ? previous : rule;
    });
    if (kept.length === 0) this.#rulesOf.delete(key);
    else this.#rulesOf.set(key, kept);
    for (const rule of before) changes.set(rule.key, undefined);
    for (const rule of kept) {
      if (known.get(rule.key) === rule) changes.delete(rule.key);
      else changes.set(rule.key, rule);
    }
  }
}

function serviceKeyOf(slice: EndpointSlice): string | undefined {
  const name = slice.metadata?.labels?.[serviceNameLabel];
  return name === undefined ? undefined : `${slice.metadata?.namespace ?? ''}/${name}`;
}
