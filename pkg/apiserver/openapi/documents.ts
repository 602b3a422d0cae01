/** Whole OpenAPI documents: version 2 of everything, version 3 of one group and version. */
import { kubernetesVersion, typeFacts } from '#pkg/api/facts.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ServedInfo } from '../definition.ts';
import type { Descriptions } from './descriptions.ts';
import { deleteOptionsType, PathWriter, statusType, typeOfSubresource } from './paths.ts';
import { otherRoots, type RootPath, resourcesRoot, rootItem } from './roots.ts';
import { listMetaType, reachableTypes, SchemaWriter, typesBeside, versionInfoType } from './schemas.ts';

const info = { title: 'Kubernetes', version: `v${kubernetesVersion}` };

/** Names of the types that these resources' requests and answers are made of. */
function typesOf(resources: readonly ServedInfo[], roots: readonly RootPath[]): readonly string[] {
  const names = new Set(resources.length === 0 ? [] : [deleteOptionsType, statusType]);
  for (const { answer } of roots) names.add(answer);
  for (const resource of resources) {
    names.add(resource.type);
    if (resource.listType !== undefined) names.add(resource.listType);
    for (const subresource of resource.subresources) {
      const type = typeOfSubresource(resource, subresource);
      if (type !== undefined) names.add(type);
    }
  }
  const own = resources.filter(isOwn);
  if (own.length > 0) names.add(listMetaType);
  const beside = roots.some(({ answer }) => answer === versionInfoType) ? [versionInfoType] : [];
  const schemas = own.map(({ schema }) => schema);
  return [...reachableTypes(names, schemas), ...beside];
}

/** Whether a resource brings its types itself, as they are none of the table of facts. */
function isOwn({ type }: ServedInfo): boolean {
  return !Object.hasOwn(typeFacts, type);
}

interface Parts {
  readonly paths: JsonObject;
  readonly schemas: JsonObject;
}

async function partsOf(
  version: 'v2' | 'v3',
  resources: readonly ServedInfo[],
  { descriptions, roots }: { readonly descriptions: Descriptions; readonly roots: readonly RootPath[] },
): Promise<Parts> {
  const types = [...new Set([...typesOf(resources, roots), ...(resources.length === 0 ? [] : typesBeside)])].sort();
  await descriptions.load(types);
  const schemaWriter = new SchemaWriter(version, descriptions);
  const pathWriter = new PathWriter(version, schemaWriter);
  const own = resources.filter(isOwn).flatMap((info) => schemaWriter.ownDefinitions(info));
  const rootPaths = roots.map((root) => [root.path, rootItem(version, root, schemaWriter)] as const);
  return {
    paths: Object.assign(Object.fromEntries(rootPaths), ...resources.map((resource) => pathWriter.paths(resource))),
    schemas: Object.fromEntries([...types.map((name) => [name, schemaWriter.definition(name)] as const), ...own]),
  };
}

/** How clients say who they are. */
const bearer = { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' };

/** OpenAPI v3 of the resources of one group and version. */
export function openApiV3(resources: readonly ServedInfo[], descriptions: Descriptions): Promise<JsonObject> {
  return documentV3(resources, { descriptions, roots: resources.slice(0, 1).map(resourcesRoot) });
}

/** OpenAPI v3 of a path that is above all groups and versions. */
export function openApiV3OfRoot(root: RootPath, descriptions: Descriptions): Promise<JsonObject> {
  return documentV3([], { descriptions, roots: [root] });
}

async function documentV3(
  resources: readonly ServedInfo[],
  options: { readonly descriptions: Descriptions; readonly roots: readonly RootPath[] },
): Promise<JsonObject> {
  const { paths, schemas } = await partsOf('v3', resources, options);
  return { openapi: '3.0.0', info, paths, components: { schemas, securitySchemes: { BearerToken: bearer } } };
}

/** OpenAPI v2 of everything that is served. */
export async function openApiV2(resources: readonly ServedInfo[], descriptions: Descriptions): Promise<JsonObject> {
  const versions = new Map(resources.map((one) => [`${one.group}/${one.version}`, one]));
  const roots = [
    ...otherRoots(resources.map(({ group }) => group)).values(),
    ...[...versions.values()].map(resourcesRoot),
  ];
  const { paths, schemas } = await partsOf('v2', resources, { descriptions, roots });
  const security = { securityDefinitions: { BearerToken: bearer }, security: [{ BearerToken: [] }] };
  return { swagger: '2.0', info, paths, definitions: schemas, ...security };
}
