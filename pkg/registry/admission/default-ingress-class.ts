/** Gives ingresses without a class the default one. Source: upstream `plugin/pkg/admission/network/defaultingressclass`. */
import { ingressClasses, ingresses } from '#pkg/api/types/refs.ts';
import { type AdmissionPlugin, about, readAll } from '#pkg/apiserver/strategy.ts';
import { defaultClass } from './default-class.ts';

const marks = ['ingressclass.kubernetes.io/is-default-class'];
/** How a class was named before there was a field for it. */
const oldAnnotation = 'kubernetes.io/ingress.class';

/** Names the default class on new ingresses that name none; of several defaults the newest counts, then the first by name. */
export const defaultIngressClassPlugin: AdmissionPlugin = {
  name: 'DefaultIngressClass',
  handles: (attributes) => attributes.operation === 'CREATE' && about(attributes, ingresses) !== undefined,
  async admit(attributes, _context, reader) {
    const draft = about(attributes, ingresses)?.draft;
    const spec = draft?.spec;
    if (spec === undefined || spec.ingressClassName !== undefined) return;
    if (Object.hasOwn(draft?.metadata?.annotations ?? {}, oldAnnotation)) return;
    const newest = defaultClass(await readAll(reader, ingressClasses), marks);
    if (newest?.metadata?.name !== undefined) spec.ingressClassName = newest.metadata.name;
  },
};
