/**
 * Keeps the pods of a namespace to the nodes that its annotation, or the configuration, selects for it.
 * Source: upstream `plugin/pkg/admission/podnodeselector`.
 */
import { namespaces } from '#pkg/api/types/refs.ts';
import { labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { forbidden, notFound } from '#pkg/apimachinery/status-error.ts';
import { type AdmissionPlugin, readOne } from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import { checkedFields } from '../../remote/config-shape.ts';
import { aboutPod, podSubject } from '../pods.ts';
import { plainError } from '../refusal.ts';

type Labels = Readonly<Record<string, string>>;

/** Selectors by namespace, and that of those which have none. */
export type NodeSelectors = Readonly<Record<string, Labels>>;

const annotation = 'scheduler.alpha.kubernetes.io/node-selector';
const ofOthers = 'clusterDefaultNodeSelector';
const root = 'podNodeSelectorPluginConfig';

/** Reads the configuration. Throws an `Error` in one line. */
export function readNodeSelectors(value: unknown): NodeSelectors {
  const config: { [root]?: Readonly<Record<string, string>> } = checkedFields(value, { [root]: { values: 'string' } });
  return Object.fromEntries(
    Object.entries(config[root] ?? {}).map(([namespace, text]) => {
      const selector = selectorIn(text);
      if (typeof selector === 'string') throw new Error(`${root}.${namespace}: ${selector}`);
      return [namespace, selector];
    }),
  );
}

/** The plugin. Default: only annotations select. */
export function podNodeSelectorPlugin(selectors: NodeSelectors = {}): AdmissionPlugin {
  const ofNamespace = (namespace: string): Labels | undefined =>
    Object.hasOwn(selectors, namespace) ? selectors[namespace] : undefined;
  return {
    name: 'PodNodeSelector',
    handles: (attributes) => attributes.operation === 'CREATE' && aboutPod(attributes) !== undefined,
    admit(attributes, _context, reader) {
      const { draft, namespace = '' } = aboutPod(attributes) ?? {};
      const spec = draft?.spec;
      if (draft === undefined || spec === undefined) return;
      return onceThere(readOne(reader, namespaces, { namespace: '', name: namespace }), (owner) => {
        if (owner === undefined) throw notFound(namespaces, namespace);
        const said = owner.metadata?.annotations?.[annotation];
        const wanted = said === undefined ? (ofNamespace(ofOthers) ?? {}) : selectorIn(said);
        if (typeof wanted === 'string') throw plainError(wanted);
        const own = spec.nodeSelector ?? {};
        const refuse = (why: string): Error => forbidden(podSubject, draft.metadata?.name ?? '', why);
        if (Object.entries(wanted).some(([key, value]) => Object.hasOwn(own, key) && own[key] !== value))
          throw refuse('pod node label selector conflicts with its namespace node label selector');
        const merged = { ...wanted, ...own };
        const allowed = ofNamespace(namespace) ?? {};
        const isOutside = ([key, value]: [string, string | undefined]): boolean => allowed[key] !== value;
        if (Object.keys(allowed).length > 0 && Object.entries(merged).some(isOutside))
          throw refuse('pod node label selector labels conflict with its namespace whitelist');
        if (Object.keys(merged).length > 0) draft.spec = { ...spec, nodeSelector: merged };
      });
    },
  };
}

/** `key=value,…` as labels; what is wrong with it, as a text. */
function selectorIn(text: string): Labels | string {
  const labels: Record<string, string> = {};
  if (text === '') return labels;
  for (const term of text.split(',')) {
    const [key = '', value, ...rest] = term.split('=').map((part) => part.trim());
    if (value === undefined || rest.length > 0) return `invalid selector: [${term.split('=').join(' ')}]`;
    const [keyProblem] = qualifiedNameProblems(key);
    if (keyProblem !== undefined) return `invalid label key ${JSON.stringify(key)}: ${keyProblem}`;
    const [valueProblem] = labelValueProblems(value);
    if (valueProblem !== undefined) return `invalid label value ${JSON.stringify(value)}: ${valueProblem}`;
    labels[key] = value;
  }
  return labels;
}
