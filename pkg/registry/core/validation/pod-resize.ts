/** What may change about the resources of a running pod. Source: upstream `ValidatePodResize`, KEP-1287. */

import type { Container, Pod } from '#pkg/api/types/core-v1.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  forbiddenField,
  invalid,
  pathsOf,
  wholeObject,
} from '#pkg/apimachinery/field-error.ts';
import { semanticallySame } from '../../draft.ts';
import { compareQuantities } from '../../quantities.ts';
import { Collector } from '../../validation/collector.ts';
import { qosClassOf } from '../pod-qos.ts';
import { validatePod } from './pod.ts';

const field = pathsOf<Pod>();

/** Why a pod cannot be resized at all, whatever the change. */
function refusal(draft: Given<Pod>, old: Given<Pod>): string | undefined {
  const hasOwnResources = ({ spec }: Given<Pod>): boolean =>
    fields('requests', 'limits').some((kind) => Object.keys(spec?.resources?.[kind] ?? {}).length > 0);
  if (hasOwnResources(old) || hasOwnResources(draft)) return 'pods with pod-level resources cannot be resized';
  const mirror = old.metadata?.annotations?.['kubernetes.io/config.mirror'];
  if (mirror !== undefined) return 'static pods cannot be resized';
  return old.spec?.os?.name === 'windows' ? 'windows pods cannot be resized' : undefined;
}

/** Resources of containers may change as long as the quality of service does not. Less memory than is in use is the node's to refuse (since 1.34). */
export function validatePodResize(draft: Given<Pod>, old: Given<Pod>): readonly FieldError[] {
  const why = refusal(draft, old);
  if (why !== undefined) return [forbiddenField(wholeObject, why)];
  const into = new Collector();
  into.add(...validatePod(draft));
  const qosClass = old.status?.qosClass || qosClassOf(old);
  if (qosClassOf(draft) !== qosClass) {
    into.add(invalid(field('spec'), qosClass, 'Pod QOS Class may not change as a result of resizing'));
  }
  for (const list of fields('initContainers', 'containers')) {
    const before = old.spec?.[list] ?? [];
    for (const [index, container] of (draft.spec?.[list] ?? []).entries()) {
      checkContainer(into, container, {
        was: before[index] ?? {},
        path: at(child(field('spec'), list), index),
        list,
      });
    }
  }
  return into.errors;
}

interface ResizedContainer {
  readonly was: Given<Container>;
  readonly path: FieldPath<Container>;
  readonly list: 'containers' | 'initContainers';
}

function checkContainer(into: Collector, container: Given<Container>, { was, path, list }: ResizedContainer): void {
  if (list === 'initContainers' && container.restartPolicy !== 'Always') {
    if (semanticallySame(container.resources, was.resources)) return;
    into.add(forbiddenField(field('spec'), 'resources for non-sidecar init containers are immutable'));
    return;
  }
  for (const kind of fields('requests', 'limits')) {
    const now = container.resources?.[kind] ?? {};
    const had = was.resources?.[kind] ?? {};
    if (Object.keys(had).some((name) => !Object.hasOwn(now, name))) {
      into.add(forbiddenField(child(child(path, 'resources'), kind), `resource ${kind} cannot be removed`));
    }
    const others = new Set(
      [...Object.keys(now), ...Object.keys(had)].filter((name) => name !== 'cpu' && name !== 'memory'),
    );
    if ([...others].every((name) => compareQuantities(now[name], had[name]) === 0)) continue;
    const which = list === 'containers' ? 'resources' : 'resources for sidecar containers';
    into.add(forbiddenField(field('spec'), `only cpu and memory ${which} are mutable`));
  }
}
