/** Whole OpenAPI documents: version 2 of everything, version 3 of one group and version. */
import { kubernetesVersion, typeFacts } from '#pkg/api/facts.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { ServedInfo } from '../definition.ts';
import type { Descriptions } from './descriptions.ts';
import { deleteOptionsType, PathWriter, statusType, typeOfSubresource } from './paths.ts';
import { listMetaType, reachableTypes, SchemaWriter } from './schemas.ts';

const info = { title: 'Kubernetes', version: `v${kubernetesVersion}` };

/** Names of the types that these resources' requests and answers are made of. */
function typesOf(resources: readonly ServedInfo[]): readonly string[] {
  const names = new Set([deleteOptionsType, statusType]);
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
  return reachableTypes(
    names,
    own.map(({ schema }) => schema),
  );
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
  descriptions: Descriptions,
): Promise<Parts> {
  const types = typesOf(resources);
  await descriptions.load(types);
  const schemaWriter = new SchemaWriter(version, descriptions);
  const pathWriter = new PathWriter(version, schemaWriter);
  const own = resources.filter(isOwn).flatMap((info) => schemaWriter.ownDefinitions(info));
  return {
    paths: Object.assign({}, ...resources.map((resource) => pathWriter.paths(resource))),
    schemas: Object.fromEntries([...types.map((name) => [name, schemaWriter.definition(name)] as const), ...own]),
  };
}

/** OpenAPI v3 of the resources of one group and version. */
export async function openApiV3(resources: readonly ServedInfo[], descriptions: Descriptions): Promise<JsonObject> {
  const { paths, schemas } = await partsOf('v3', resources, descriptions);
  return { openapi: '3.0.0', info, paths, components: { schemas } };
}

/** OpenAPI v2 of everything that is served. */
export async function openApiV2(resources: readonly ServedInfo[], descriptions: Descriptions): Promise<JsonObject> {
  const { paths, schemas } = await partsOf('v2', resources, descriptions);
  return { swagger: '2.0', info, paths, definitions: schemas };
}
