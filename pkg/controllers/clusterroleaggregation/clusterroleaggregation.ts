/**
 * Fills cluster roles that gather others with the rules of all roles that their selectors match: so `admin`, `edit` and `view` grow with every role that is
 * labelled for them. Upstream counterpart: `pkg/controller/clusterroleaggregation`.
 */
import type { ClusterRole, PolicyRule } from '#pkg/api/types/rbac-v1.ts';
import { clusterRoles } from '#pkg/api/types/refs.ts';
import { deepEqual } from '#pkg/apimachinery/json.ts';
import { compiledLabelSelector, type LabelSelector } from '#pkg/apimachinery/label-selector.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { objectKey } from '#pkg/apimachinery/object.ts';
import type { Component } from '#pkg/component/component.ts';
import { type ControllerContext, createLoop } from '../common/controller.ts';

const workers = 5;
const fieldManager = 'clusterrole-aggregation-controller';

/** The controller, which applies the rules as a field manager of its own. */
export function createClusterRoleAggregationController(context: ControllerContext): Component {
  const informer = context.informers.informer(clusterRoles);
  const resource = context.client.resource(clusterRoles);
  const loop = createLoop(context, {
    name: 'clusterrole-aggregation',
    workers,
    reconcile: async (name) => {
      const role = informer.lister.get(name);
      if (role?.aggregationRule === undefined || role.aggregationRule === null) return undefined;
      const rules = gathered(role, informer.lister.list());
      if (deepEqual(rules, role.rules ?? [])) return undefined;
      const wanted = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules };
      await resource.patch(name, wanted as unknown as JsonObject, { type: 'apply', fieldManager, force: true });
      return undefined;
    },
  });
  // A role may be in any that gather, and one may be in another: what changes is looked at until nothing does.
  const enqueueAll = (): void => {
    for (const role of informer.lister.list()) if (role.aggregationRule) loop.queue.add(objectKey(role));
  };
  informer.addHandler({ added: enqueueAll, updated: enqueueAll, deleted: enqueueAll });
  return loop;
}

/** The rules of all roles that match, in the order of the roles' names, each once. Source: `syncClusterRole`. */
function gathered(role: ClusterRole, all: readonly ClusterRole[]): readonly PolicyRule[] {
  const selectors = (role.aggregationRule?.clusterRoleSelectors ?? []).map((one) =>
    compiledLabelSelector(one as LabelSelector),
  );
  const own = role.metadata?.name ?? '';
  const sorted = all.toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  const found: PolicyRule[] = [];
  for (const selector of selectors) {
    for (const { metadata, rules } of sorted) {
      if (metadata?.name === own || !selector.matches(metadata?.labels ?? {})) continue;
      for (const rule of rules ?? []) if (!found.some((known) => deepEqual(known, rule))) found.push(rule);
    }
  }
  return found;
}
