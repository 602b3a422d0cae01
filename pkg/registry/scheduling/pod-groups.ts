/**
 * Pod groups and the workloads that describe them, which are served where their version is switched on. Fields of feature gates that are off by default (topology
 * constraints, claims, disruption modes and priorities of groups) are dropped as upstream drops them; here with the defaults, so that nobody comes to own what is not kept. Source: upstream `pkg/registry/scheduling/podgroup`,
 * `pkg/registry/scheduling/workload`.
 */
import { podGroups, workloads } from '#pkg/api/types/refs.ts';
import type {
  PodGroup,
  PodGroupSchedulingPolicy,
  PodGroupSpec,
  PodGroupTemplate,
  Workload,
} from '#pkg/api/types/scheduling-v1alpha2.ts';
import type { Draft, Given } from '#pkg/apimachinery/draft.ts';
import {
  at,
  child,
  type FieldError,
  type FieldPath,
  invalid,
  pathsOf,
  required,
} from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { rulesOf, type Strategy } from '#pkg/apiserver/strategy.ts';
import { age, ageColumn, column, nameColumn, nameOf } from '../printing/columns.ts';
import { ownStatus, statusAlone } from '../status.ts';
import { Collector } from '../validation/collector.ts';

const ofGroup = pathsOf<PodGroup>();
const ofWorkload = pathsOf<Workload>();

/** Most templates of a workload. Source: `WorkloadMaxPodGroupTemplates`. */
const templatesMax = 8;

const gated = ['schedulingConstraints', 'resourceClaims', 'disruptionMode', 'priorityClassName', 'priority'] as const;

function dropGated(spec: Draft<PodGroupSpec> | Draft<PodGroupTemplate> | undefined): void {
  if (spec !== undefined) for (const name of gated) delete spec[name];
}

/** Exactly one policy, and a gang of at least one. */
function policyErrors(policy: Given<PodGroupSchedulingPolicy> | undefined, path: FieldPath): readonly FieldError[] {
  const { basic, gang } = policy ?? {};
  const count = [basic, gang].filter((one) => one !== undefined && one !== null).length;
  if (count === 0) return [required(path, 'must specify one of: `basic`, `gang`')];
  if (count === 2)
    return [
      invalid(path, '{`basic`, `gang`}', 'exactly one of `basic`, `gang` is required, but multiple fields are set'),
    ];
  const into = new Collector();
  if (gang !== undefined && gang !== null) {
    const minCount = child(path, 'gang.minCount');
    if (gang.minCount === undefined || gang.minCount === 0) into.add(required(minCount));
    else if (gang.minCount < 1) into.add(invalid(minCount, gang.minCount, 'must be greater than or equal to 1'));
  }
  return into.errors;
}

function validateGroup({ spec }: Given<PodGroup>): readonly FieldError[] {
  const into = new Collector();
  const workload = spec?.podGroupTemplateRef?.workload;
  if (workload !== undefined && workload !== null) {
    const ref = ofGroup('spec.podGroupTemplateRef.workload');
    into.needsName(child(ref, 'workloadName'), workload.workloadName, dns1123SubdomainProblems);
    into.needsName(child(ref, 'podGroupTemplateName'), workload.podGroupTemplateName, dns1123LabelProblems);
  } else if (spec?.podGroupTemplateRef !== undefined && spec.podGroupTemplateRef !== null)
    into.add(required(ofGroup('spec.podGroupTemplateRef'), 'must specify one of: `workload`'));
  into.add(...policyErrors(spec?.schedulingPolicy, ofGroup('spec.schedulingPolicy')));
  return into.errors;
}

function validateWorkload({ spec }: Given<Workload>): readonly FieldError[] {
  const into = new Collector();
  const templates = spec?.podGroupTemplates ?? [];
  const path = ofWorkload('spec.podGroupTemplates');
  if (templates.length === 0) into.add(required(path, 'must have at least one item'));
  into.atMost(path, templates, templatesMax);
  for (const [index, { name, schedulingPolicy }] of templates.entries()) {
    into.needsName(child(at(path, index), 'name'), name, dns1123LabelProblems);
    into.add(...policyErrors(schedulingPolicy, child(at(path, index), 'schedulingPolicy')));
  }
  return into.errors;
}

/** Pod groups and workloads. */
export const podGroupStrategies: readonly Strategy[] = [
  rulesOf(podGroups, {
    ...ownStatus(),
    setDefaults: ({ spec }) => dropGated(spec),
    subresources: { status: statusAlone },
    validate: validateGroup,
    validateUpdate(draft, old) {
      const into = new Collector();
      const [now, was] = [draft.spec, old.spec];
      into.unchanged(ofGroup('spec.podGroupTemplateRef'), now?.podGroupTemplateRef, was?.podGroupTemplateRef);
      into.unchanged(ofGroup('spec.schedulingPolicy'), now?.schedulingPolicy, was?.schedulingPolicy);
      return into.errors;
    },
    table: {
      columns: [nameColumn, column('Policy'), column('Workload'), column('Status'), ageColumn],
      cells: (group, nowMs) => [
        nameOf(group),
        group.spec?.schedulingPolicy?.gang ? 'Gang' : 'Basic',
        group.spec?.podGroupTemplateRef?.workload?.workloadName ?? '<none>',
        group.status?.conditions?.find(({ type }) => type === 'PodGroupScheduled')?.reason ?? '',
        age(group, nowMs),
      ],
    },
  }),
  rulesOf(workloads, {
    setDefaults: ({ spec }) => spec?.podGroupTemplates?.forEach(dropGated),
    validate: validateWorkload,
    validateUpdate(draft, old) {
      const into = new Collector();
      const [now, was] = [draft.spec, old.spec];
      into.unchanged(ofWorkload('spec.controllerRef'), now?.controllerRef, was?.controllerRef);
      into.unchanged(ofWorkload('spec.podGroupTemplates'), now?.podGroupTemplates, was?.podGroupTemplates);
      return into.errors;
    },
  }),
];
