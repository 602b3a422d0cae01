/** Claims, their templates and slices of resource.k8s.io/v1beta1. Source: `pkg/apis/resource/v1beta1/conversion.go`. */
import {
  resourceClaims,
  resourceClaimsV1beta1,
  resourceClaimTemplates,
  resourceClaimTemplatesV1beta1,
  resourceSlices,
  resourceSlicesV1beta1,
} from '#pkg/api/types/refs.ts';
import type { DeviceRequest, ResourceClaimSpec } from '#pkg/api/types/resource-v1.ts';
import type {
  ResourceClaimSpec as ServedClaimSpec,
  DeviceRequest as ServedRequest,
} from '#pkg/api/types/resource-v1beta1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { converterOf, present } from '#pkg/apiserver/converters/converter.ts';

/** Requests for one of several devices have none of the fields of a request for exactly one. */
function storedRequest({ name, firstAvailable, ...exactly }: Given<ServedRequest>): Given<DeviceRequest> {
  const isSaid = Object.values(exactly).some((value) => value !== undefined && value !== '' && value !== 0);
  return present({ name, firstAvailable, exactly: isSaid ? exactly : undefined });
}

function servedRequest({ exactly, ...rest }: Given<DeviceRequest>): Given<ServedRequest> {
  return { deviceClassName: '', ...rest, ...exactly };
}

function storedSpec({ devices, ...rest }: Given<ServedClaimSpec>): Given<ResourceClaimSpec> {
  // A list that is null stays so: an update compares it with what was stored.
  if (!devices?.requests) return { ...rest, ...present({ devices }) };
  const { requests, ...others } = devices;
  return { ...rest, devices: { requests: requests.map(storedRequest), ...others } };
}

function servedSpec({ devices, ...rest }: Given<ResourceClaimSpec>): Given<ServedClaimSpec> {
  if (!devices?.requests) return { ...rest, ...present({ devices }) };
  const { requests, ...others } = devices;
  return { ...rest, devices: { requests: requests.map(servedRequest), ...others } };
}

/** The converter of claims. */
export const resourceClaimConverter = converterOf(resourceClaimsV1beta1, resourceClaims, {
  toStored: ({ spec, ...rest }) => ({ ...rest, ...(spec && { spec: storedSpec(spec) }) }),
  fromStored: ({ spec, ...rest }) => ({ ...rest, ...(spec && { spec: servedSpec(spec) }) }),
});

/** The converter of templates. */
export const resourceClaimTemplateConverter = converterOf(resourceClaimTemplatesV1beta1, resourceClaimTemplates, {
  toStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { spec: inner, ...template } = spec;
    return { ...rest, spec: { ...template, ...(inner && { spec: storedSpec(inner) }) } };
  },
  fromStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { spec: inner, ...template } = spec;
    return { ...rest, spec: { ...template, ...(inner && { spec: servedSpec(inner) }) } };
  },
});

/** The converter of slices. The stored form has pointers where the other has zero values. */
export const resourceSliceConverter = converterOf(resourceSlicesV1beta1, resourceSlices, {
  toStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { nodeName, allNodes, devices, ...others } = spec;
    const stored = devices?.map(({ basic, ...device }) => ({ ...device, ...basic }));
    const placed = { ...(nodeName ? { nodeName } : {}), ...(allNodes ? { allNodes } : {}) };
    return { ...rest, spec: { ...others, ...placed, ...present({ devices: stored }) } };
  },
  fromStored({ spec, ...rest }) {
    if (!spec) return { ...rest, ...present({ spec }) };
    const { devices, ...others } = spec;
    const served = devices?.map(({ name, ...basic }) => ({ ...present({ name }), basic }));
    return { ...rest, spec: { ...others, ...present({ devices: served }) } };
  },
});
