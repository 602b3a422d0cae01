/** Whole OpenAPI documents: version 2 of everything, version 3 of one group and version. */
import { kubernetesVersion } from '#pkg/api/facts.ts';
import type { ResourceInfo } from '#pkg/api/resources.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { Descriptions } from './descriptions.ts';
import { deleteOptionsType, listTypeOf, PathWriter, statusType, typeOfKind } from './paths.ts';
import { reachableTypes, SchemaWriter } from './schemas.ts';

const info = { title: 'Kubernetes', version: `v${kubernetesVersion}` };

/** Names of the types that these resources' requests and answers are made of. */
function typesOf(resources: readonly ResourceInfo[]): readonly string[] {
  const names = new Set([deleteOptionsType, statusType]);
  for (const resource of resources) {
    names.add(resource.type);
    const list = listTypeOf(resource);
    if (list !== undefined) names.add(list);
    for (const subresource of resource.subresources) {
      const type = typeOfKind(subresource);
      if (type !== undefined) names.add(type);
    }
  }
  return reachableTypes(names);
}

interface Parts {
  readonly paths: JsonObject;
  readonly schemas: JsonObject;
}

async function partsOf(
  version: 'v2' | 'v3',
  resources: readonly ResourceInfo[],
  descriptions: Descriptions,
): Promise<Parts> {
  const types = typesOf(resources);
  await descriptions.load(types);
  const schemaWriter = new SchemaWriter(version, descriptions);
  const pathWriter = new PathWriter(version, schemaWriter);
  return {
    paths: Object.assign({}, ...resources.map((resource) => pathWriter.paths(resource))),
    schemas: Object.fromEntries(types.map((name) => [name, schemaWriter.definition(name)])),
  };
}

/** OpenAPI v3 of the resources of one group and version. */
export async function openApiV3(resources: readonly ResourceInfo[], descriptions: Descriptions): Promise<JsonObject> {
  const { paths, schemas } = await partsOf('v3', resources, descriptions);
  return { openapi: '3.0.0', info, paths, components: { schemas } };
}

/** OpenAPI v2 of everything that is served. */
export async function openApiV2(resources: readonly ResourceInfo[], descriptions: Descriptions): Promise<JsonObject> {
  const { paths, schemas } = await partsOf('v2', resources, descriptions);
  return { swagger: '2.0', info, paths, definitions: schemas };
}
