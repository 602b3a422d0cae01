/** One object: its YAML, what happened to it, and what can be looked at of its kind. */
import { useEffect, useState } from 'preact/hooks';
import type { ResourceId, Row } from '../model/protocol.ts';
import { ask } from './ask.ts';
import { DataGrid } from './data-grid.tsx';
import { openList } from './list-model.ts';
import { type ObjectTabProps, objectPath } from './object-place.ts';
import { PlacementTab } from './placement-tab.tsx';
import { listHref, narrow, objectHref, resourceIn, route } from './route.ts';
import { StepsTab } from './runs-page.tsx';
import { infoOf, known } from './session.ts';
import { ExecTab, LogTab } from './stream-tabs.tsx';
import { YamlTab } from './yaml-tab.tsx';

interface Tab {
  readonly key: string;
  readonly label: string;
  readonly content: (props: ObjectTabProps) => preact.JSX.Element;
}

const yamlTab: Tab = { key: 'yaml', label: 'YAML', content: YamlTab };
const eventsTab: Tab = { key: 'events', label: 'Events', content: ObjectEvents };

/** What objects of some kinds have beside. */
const tabsOf: Readonly<Record<string, readonly Tab[]>> = {
  'pods.': [
    { key: 'logs', label: 'Logs', content: LogTab },
    { key: 'terminal', label: 'Terminal', content: ExecTab },
    { key: 'placement', label: 'Placement', content: PlacementTab },
  ],
  'nodes.': [{ key: 'pods', label: 'Pods', content: NodePods }],
  'deployments.apps': [{ key: 'sets', label: 'Replica sets', content: owned(known.replicaSets) }],
  'replicasets.apps': [{ key: 'pods', label: 'Pods', content: owned(known.pods) }],
  'statefulsets.apps': [{ key: 'pods', label: 'Pods', content: owned(known.pods) }],
  'daemonsets.apps': [{ key: 'pods', label: 'Pods', content: owned(known.pods) }],
  'pipelineruns.ci.coxswain.dev': [
    { key: 'steps', label: 'Steps', content: StepsTab },
    { key: 'pods', label: 'Pods', content: owned(known.pods) },
  ],
  'jobs.batch': [{ key: 'pods', label: 'Pods', content: owned(known.pods) }],
};

/** The object that the address names. */
export function ObjectPage() {
  const { words, params } = route.value;
  const resource = resourceIn(words);
  const [, , , place = '-', name = ''] = words;
  const namespace = place === '-' ? '' : place;
  const row = useRow(resource, namespace, name);
  const tabs = [yamlTab, eventsTab, ...(tabsOf[`${resource.resource}.${resource.group}`] ?? [])];
  const chosen = tabs.find(({ key }) => key === params.tab) ?? yamlTab;
  const Content = chosen.content;
  const kind = infoOf(resource)?.kind ?? resource.resource;
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length] ?? yamlTab;
    narrow({ tab: next.key });
    document.getElementById(`tab-${next.key}`)?.focus();
  };
  return (
    <div class="page">
      <p class="crumbs">
        <a href={listHref(resource, namespace === '' ? {} : { ns: namespace })}>{kind}</a>
        {namespace === '' ? '' : ` in ${namespace}`}
      </p>
      <div class="title">
        <h1>{name}</h1>
        <span class={row?.deleting ? 'problem' : 'quiet'}>
          {row === undefined ? '' : row.deleting ? 'is being deleted' : row.facts.phase}
        </span>
        <span class="grow" />
        <DeleteButton resource={resource} namespace={namespace} name={name} />
      </div>
      <div role="tablist" aria-label="Of this object" onKeyDown={onKeyDown}>
        {tabs.map(({ key, label }) => (
          <button
            key={key}
            id={`tab-${key}`}
            type="button"
            role="tab"
            aria-selected={key === chosen.key}
            aria-controls="tab-content"
            tabIndex={key === chosen.key ? 0 : -1}
            onClick={() => narrow({ tab: key })}
          >
            {label}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tab-content" aria-labelledby={`tab-${chosen.key}`} class="tab-content">
        <Content key={chosen.key} resource={resource} namespace={namespace} name={name} row={row} />
      </div>
    </div>
  );
}

/** The object as lists show it, as it changes. */
function useRow(resource: ResourceId, namespace: string, name: string): Row | undefined {
  const [row, setRow] = useState<Row>();
  useEffect(() => {
    const { state, view } = openList({ kind: 'list', resource, namespace, name, from: 0, count: 1 });
    const dispose = state.subscribe(({ rows }) => setRow(rows[0]));
    return () => {
      dispose();
      view.close();
    };
  }, [resource.resource, resource.group, namespace, name]);
  return row;
}

function DeleteButton({ resource, namespace, name }: Omit<ObjectTabProps, 'row'>) {
  const [isAsking, setAsking] = useState(false);
  const [problem, setProblem] = useState('');
  const remove = async (): Promise<void> => {
    try {
      await ask('DELETE', objectPath({ resource, namespace, name }));
      setAsking(false);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  if (!isAsking)
    return (
      <button type="button" onClick={() => setAsking(true)}>
        Delete …
      </button>
    );
  return (
    <span role="alertdialog" aria-label={`Delete ${name}?`}>
      <span class="problem">{problem}</span>{' '}
      <button type="button" class="danger" onClick={() => void remove()}>
        Delete {name}
      </button>{' '}
      <button type="button" onClick={() => setAsking(false)}>
        Keep it
      </button>
    </span>
  );
}

function ObjectEvents({ resource, namespace, name }: ObjectTabProps) {
  const kind = infoOf(resource)?.kind ?? '';
  return (
    <DataGrid
      label={`Events about ${name}`}
      query={{ resource: known.events, about: `${kind}/${namespace}/${name}` }}
      sortAtFirst={{ by: 'time', descending: true }}
      hasNamespace={false}
      without={['Object']}
      hrefOf={(row) => objectHref(known.events, row.namespace, row.name)}
      onOpen={(row) => {
        location.hash = objectHref(known.events, row.namespace, row.name);
      }}
    />
  );
}

function NodePods({ name }: ObjectTabProps) {
  return <Objects label={`Pods on ${name}`} resource={known.pods} query={{ node: name }} hasNamespace />;
}

function owned(resource: ResourceId) {
  return ({ row, namespace, name }: ObjectTabProps) =>
    row === undefined ? (
      <p class="quiet">Loading …</p>
    ) : (
      <Objects label={`Of ${name}`} resource={resource} query={{ namespace, owner: row.uid }} hasNamespace={false} />
    );
}

interface ObjectsProps {
  readonly label: string;
  readonly resource: ResourceId;
  readonly query: { readonly namespace?: string; readonly node?: string; readonly owner?: string };
  readonly hasNamespace: boolean;
}

function Objects({ label, resource, query, hasNamespace }: ObjectsProps) {
  return (
    <DataGrid
      label={label}
      query={{ resource, ...query }}
      hasNamespace={hasNamespace}
      hrefOf={(row) => objectHref(resource, row.namespace, row.name)}
      onOpen={(row) => {
        location.hash = objectHref(resource, row.namespace, row.name);
      }}
    />
  );
}
