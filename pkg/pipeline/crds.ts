/** The definitions of Pipelines and PipelineRuns, by which the server keeps them, and refuses what could not be run. */
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { pipelineRuns, pipelines } from './model/types.ts';
import { pipelineSpec, runSpec, runStatus, type Schema } from './schema.ts';

interface Definition {
  readonly ref: typeof pipelineRuns | typeof pipelines;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly spec: Schema;
  readonly status?: Schema;
  readonly columns: readonly (readonly [name: string, path: string])[];
}

const definitions: readonly Definition[] = [
  {
    ref: pipelines,
    singular: 'pipeline',
    shortNames: ['pl'],
    spec: pipelineSpec,
    columns: [['Repository', '.spec.repository']],
  },
  {
    ref: pipelineRuns,
    singular: 'pipelinerun',
    shortNames: ['plr'],
    spec: runSpec,
    status: runStatus,
    columns: [
      ['Pipeline', '.spec.pipeline'],
      ['Commit', '.spec.commit'],
      ['Phase', '.status.phase'],
      ['Reason', '.status.reason'],
    ],
  },
];

/** The definitions, ready to be created or applied. */
export function pipelineDefinitions(): readonly (JsonObject & KubeObject)[] {
  return definitions.map(definitionOf);
}

function definitionOf({ ref, singular, shortNames, spec, status, columns }: Definition): JsonObject & KubeObject {
  const { group, version, resource, kind } = ref;
  const columnsOf = columns.map(([name, jsonPath]) => ({ name, type: 'string', jsonPath }));
  const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
  const served = {
    name: version,
    served: true,
    storage: true,
    ...(status === undefined ? {} : { subresources: { status: {} } }),
    additionalPrinterColumns: [...columnsOf, age],
    schema: {
      openAPIV3Schema: {
        type: 'object',
        required: ['spec'],
        properties: {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          metadata: { type: 'object' },
          spec,
          ...(status === undefined ? {} : { status }),
        },
      },
    },
  };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural: resource, singular, shortNames, categories: ['ci'] },
      versions: [served],
    },
  };
  return definition;
}
