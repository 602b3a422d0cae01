/** Gives ingresses without a class the default one. Source: upstream `plugin/pkg/admission/network/defaultingressclass`. */
import type { AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import { objectAt, stringMapAt } from '../draft.ts';
import { defaultClass } from './default-class.ts';

const classes = { group: 'networking.k8s.io', resource: 'ingressclasses' };
const marks = ['ingressclass.kubernetes.io/is-default-class'];
/** How a class was named before there was a field for it. */
const oldAnnotation = 'kubernetes.io/ingress.class';

/** Names the default class on new ingresses that name none; of several defaults the newest counts, then the first by name. */
export const defaultIngressClassPlugin: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  handles: ({ group, resource, subresource, operation }) =>
    group === 'networking.k8s.io' && resource === 'ingresses' && subresource === '' && operation === 'CREATE',
  async admit({ draft }, _context, reader) {
    const spec = objectAt(draft, 'spec');
    if (spec === undefined || spec.ingressClassName !== undefined) return;
    if (Object.hasOwn(stringMapAt(draft, 'metadata', 'annotations'), oldAnnotation)) return;
    const newest = defaultClass(await reader.list(classes), marks);
    if (newest !== undefined) spec.ingressClassName = newest.metadata?.name;
  },
};
