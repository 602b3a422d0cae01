/** Claims, their templates and slices of resource.k8s.io/v1beta1. Source: `pkg/apis/resource/v1beta1/conversion.go`. */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { type Converter, converterAt, each, editAt, partition } from '#pkg/apiserver/converters/converter.ts';

const versions = { apiVersion: 'resource.k8s.io/v1beta1', stored: 'resource.k8s.io/v1' } as const;

/** Fields of a request that are those of `exactly` in the stored form. */
const exactFields: ReadonlySet<string> = new Set([
  'deviceClassName',
  'selectors',
  'allocationMode',
  'count',
  'adminAccess',
  'tolerations',
  'capacity',
]);

/** Requests for one of several devices have none of the fields of a request for exactly one. */
function storedRequest(request: JsonObject): JsonObject {
  const [exactly, rest] = partition(request, exactFields);
  const isSaid = Object.values(exactly).some((value) => value !== undefined && value !== '' && value !== 0);
  return isSaid ? { ...rest, exactly } : rest;
}

function servedRequest({ exactly, ...rest }: JsonObject): JsonObject {
  return { deviceClassName: '', ...rest, ...(isObject(exactly) ? exactly : {}) };
}

function requestsConverter(path: readonly string[]): Converter {
  const requests = [...path, 'devices', 'requests', each];
  return converterAt(requests, { ...versions, toStored: storedRequest, fromStored: servedRequest });
}

/** The converter of claims. */
export const resourceClaimConverter: Converter = requestsConverter(['spec']);
/** The converter of templates. */
export const resourceClaimTemplateConverter: Converter = requestsConverter(['spec', 'spec']);

const devices = ['spec', 'devices', each];

/** The converter of slices. */
export const resourceSliceConverter: Converter = {
  toStored(draft) {
    const edited = editAt(editAt(draft, ['spec'], withoutZeroes), devices, ({ basic, ...rest }) => ({
      ...rest,
      ...(isObject(basic) ? basic : {}),
    }));
    return { ...edited, apiVersion: versions.stored };
  },
  fromStored(object) {
    const edited = editAt(object as JsonObject, devices, ({ name, ...basic }) => ({ name, basic }));
    return { ...edited, apiVersion: versions.apiVersion } as KubeObject;
  },
};

/** The stored form has pointers where this one has zero values. */
function withoutZeroes({ nodeName, allNodes, ...spec }: JsonObject): JsonObject {
  return { ...spec, ...(nodeName ? { nodeName } : {}), ...(allNodes ? { allNodes } : {}) };
}
