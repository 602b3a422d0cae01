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
import { type StructuralVersion, scaleAt, structuralDefinition } from '#pkg/apiserver/structural-definition.ts';
import { isTerminating } from './conditions.ts';
import { type ConversionDeps, conversionWebhook } from './conversion-webhook.ts';
import { columnsTable } from './printer-columns.ts';

/** How a definition is taken up. */
export interface DefinitionDeps extends ConversionDeps {
  /** Its checks are compiled with the first object rather than now, as of one that was served before this server began. */
  readonly compilesLate?: boolean;
  /** Told why its checks cannot be compiled, where that is late. */
  readonly onUnusable?: (error: unknown) => void;
}

/** The definition of what is served. Throws for a schema that cannot be compiled, such as one with a pattern that is none, unless that is done later. */
export function definitionOf(crd: CustomResourceDefinition, deps: DefinitionDeps): ResourceDefinition {
  const { group, names, scope, versions, conversion } = crd.spec;
  return structuralDefinition({
    group,
    names,
    scope: scope === 'Cluster' ? 'Cluster' : 'Namespaced',
    versions: versions.map(versionOf),
    compilesAtOnce: deps.compilesLate !== true,
    ...(deps.onUnusable === undefined ? {} : { onUnusable: deps.onUnusable }),
    readsAgain: versions.length > 1 || (crd.metadata?.generation ?? 1) > 1,
    ...(conversion?.strategy === 'Webhook' ? { convert: conversionWebhook(crd, deps) } : {}),
    ...(isTerminating(crd) ? { rules: { validateCreate: refuseCreation } } : {}),
  });
}

function versionOf(version: CustomResourceDefinitionVersion): StructuralVersion {
  const { name, served, storage, deprecated, deprecationWarning, subresources, additionalPrinterColumns } = version;
  const schema = (version.schema?.openAPIV3Schema ?? { type: 'object' }) as JsonObject;
  return {
    name,
    served,
    storage,
    schema,
    table: columnsTable(additionalPrinterColumns),
    rules: rulesOf(version),
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(deprecationWarning === undefined ? {} : { deprecationWarning }),
    subresources: {
      ...(subresources?.status === undefined ? {} : { status: {} }),
      ...(subresources?.scale === undefined ? {} : { scale: scaleAt(subresources.scale) }),
    },
  };
}

function rulesOf({ selectableFields = [] }: CustomResourceDefinitionVersion): NonNullable<StructuralVersion['rules']> {
  if (selectableFields.length === 0) return {};
  const paths = selectableFields.map(({ jsonPath }) => ({
    name: jsonPath.replace(/^\./, ''),
    path: parseRelaxedPath(jsonPath),
  }));
  return {
    selectableFields: (object: KubeObject) =>
      Object.fromEntries(paths.map(({ name, path }) => [name, String(walk(path, [object])[0] ?? '')])),
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
