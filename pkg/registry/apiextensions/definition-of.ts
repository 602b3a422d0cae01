/**
 * What a CustomResourceDefinition defines, as the server takes it up. Pure.
 *
 * Objects lie in the store as they were written, in whatever version stored them then. Unless there was only ever one state of the definition,
 * they are therefore brought into today's form at each read: renamed to the version asked for, pruned, and given today's defaults.
 * Upstream counterpart: apiextensions-apiserver `customresource_handler.go` `getOrCreateServingInfoFor`.
 */
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '#pkg/api/types/apiextensions-v1.ts';
import { parseRelaxedPath } from '#pkg/apimachinery/jsonpath/parser.ts';
import { walk } from '#pkg/apimachinery/jsonpath/walk.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { ResourceDefinition } from '#pkg/apiserver/definition.ts';
import type { Strategy } from '#pkg/apiserver/strategy.ts';
import { type StructuralVersion, scaleAt, structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { isTerminating } from './conditions.ts';
import { columnsTable } from './printer-columns.ts';

/** The definition of what is served. Throws for a schema that cannot be compiled, such as one with a pattern that is none. */
export function definitionOf(crd: CustomResourceDefinition): ResourceDefinition {
  const { group, names, scope, versions } = crd.spec;
  const stored = versions.find(({ storage }) => storage) ?? versions[0];
  return structuralDefinition({
    group,
    names,
    scope: scope === 'Cluster' ? 'Cluster' : 'Namespaced',
    versions: versions.map((version) => versionOf(crd, version)),
    readsAgain: versions.length > 1 || (crd.metadata?.generation ?? 1) > 1,
    rules: rulesOf(crd, stored),
  });
}

/** Versions are converted by a webhook, which is not called yet: then only the stored one is served. */
function needsWebhook({ spec }: CustomResourceDefinition): boolean {
  return spec.conversion?.strategy === 'Webhook' && spec.versions.filter(({ served }) => served).length > 1;
}

function versionOf(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion): StructuralVersion {
  const { name, served, storage, deprecated, deprecationWarning, subresources, additionalPrinterColumns } = version;
  const schema = (version.schema?.openAPIV3Schema ?? { type: 'object' }) as JsonObject;
  return {
    name,
    served: served && (storage || !needsWebhook(crd)),
    storage,
    schema,
    table: columnsTable(additionalPrinterColumns),
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(deprecationWarning === undefined ? {} : { deprecationWarning }),
    subresources: {
      ...(subresources?.status === undefined ? {} : { status: {} }),
      ...(subresources?.scale === undefined ? {} : { scale: scaleAt(subresources.scale) }),
    },
  };
}

function rulesOf(
  crd: CustomResourceDefinition,
  stored: CustomResourceDefinitionVersion | undefined,
): Omit<Strategy, 'group' | 'resource'> {
  const paths = (stored?.selectableFields ?? []).map(({ jsonPath }) => ({
    name: jsonPath.replace(/^\./, ''),
    path: parseRelaxedPath(jsonPath),
  }));
  return {
    ...(paths.length === 0
      ? {}
      : {
          selectableFields: (object: KubeObject) =>
            Object.fromEntries(paths.map(({ name, path }) => [name, String(walk(path, [object])[0] ?? '')])),
        }),
    ...(isTerminating(crd) ? { validateCreate: refuseCreation } : {}),
  };
}

/** Source: `customresource_handler.go`: while it is on its way out nothing new comes. */
function refuseCreation(): never {
  throw new StatusError({
    code: 405,
    reason: 'MethodNotAllowed',
    message: 'create not allowed while custom resource definition is terminating',
    details: {},
  });
}
