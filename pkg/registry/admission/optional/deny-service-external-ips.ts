/** Refuses Services that take addresses by `externalIPs`; those that they have they may keep. Source: upstream `plugin/pkg/admission/network/denyserviceexternalips`. */
import { services } from '#pkg/api/types/refs.ts';
import { forbidden } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, about } from '#pkg/apiserver/strategy.ts';

/** Refuses what was not there before. */
export const denyServiceExternalIpsPlugin: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: (attributes) =>
    (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') &&
    about(attributes, services) !== undefined,
  validate(attributes) {
    const { draft, old } = about(attributes, services) ?? {};
    const before = old?.spec?.externalIPs ?? [];
    if ((draft?.spec?.externalIPs ?? []).every((address) => before.includes(address))) return;
    const name = attributes.name || (draft?.metadata?.name ?? '');
    throw forbidden(services, name, 'Use of external IPs is denied by admission control');
  },
};
