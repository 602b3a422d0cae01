/** All objects of a resource, narrowed down by namespace, labels and name. */
import { useEffect, useState } from 'preact/hooks';
import type { Row } from '../model/protocol.ts';
import { DataGrid } from './data-grid.tsx';
import { openList } from './list-model.ts';
import { narrow, objectHref, resourceIn, route } from './route.ts';
import { infoOf, known } from './session.ts';

/** The list that the address names. */
export function ListPage() {
  const { words, params } = route.value;
  const resource = resourceIn(words);
  const info = infoOf(resource);
  const [isWide, setWide] = useState(false);
  const isNamespaced = info?.namespaced !== false;
  const { ns = '', labels = '', text = '', phase = '', node = '', owner = '' } = params;
  const query = { resource, namespace: ns, labels, text, phase, node, owner };
  const title = info?.kind ?? resource.resource;
  return (
    <div class="page">
      <h1>{title}</h1>
      <search class="filters">
        {isNamespaced ? <NamespaceChoice value={ns} onChange={(value) => narrow({ ns: value })} /> : null}
        <Filter label="Name has" value={text} onChange={(value) => narrow({ text: value })} />
        <Filter
          label="Labels"
          placeholder="app=web,tier!=db"
          value={labels}
          onChange={(value) => narrow({ labels: value })}
        />
        {resource.resource === 'pods' ? <PhaseChoice value={phase} /> : null}
        <label class="inline">
          <input type="checkbox" checked={isWide} onChange={(event) => setWide(event.currentTarget.checked)} /> All
          columns
        </label>
      </search>
      <DataGrid
        label={title}
        query={query}
        hasNamespace={isNamespaced}
        isWide={isWide}
        hrefOf={(row) => objectHref(resource, row.namespace, row.name)}
        onOpen={(row) => {
          location.hash = objectHref(resource, row.namespace, row.name);
        }}
      />
    </div>
  );
}

function PhaseChoice({ value }: { readonly value: string }) {
  return (
    <label>
      Phase
      <select value={value} onChange={(event) => narrow({ phase: event.currentTarget.value })}>
        <option value="">all</option>
        {['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'].map((phase) => (
          <option key={phase}>{phase}</option>
        ))}
      </select>
    </label>
  );
}

/** A choice of the namespaces that there are. */
export function NamespaceChoice({ value, onChange }: { readonly value: string; onChange(value: string): void }) {
  const [rows, setRows] = useState<readonly Row[]>([]);
  useEffect(() => {
    const { state, view } = openList({ kind: 'list', resource: known.namespaces, from: 0, count: 500 });
    const dispose = state.subscribe((now) => setRows(now.rows));
    return () => {
      dispose();
      view.close();
    };
  }, []);
  const names = rows.map(({ name }) => name);
  return (
    <label>
      Namespace
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">all</option>
        {(value === '' || names.includes(value) ? names : [value, ...names]).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

interface FilterProps {
  readonly label: string;
  readonly value: string;
  readonly placeholder?: string;
  onChange(value: string): void;
}

/** A text to narrow a list by, which counts a moment after the last key. */
export function Filter({ label, value, placeholder, onChange }: FilterProps) {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (text === value) return undefined;
    const timer = setTimeout(() => onChange(text), 150);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label>
      {label}
      <input
        type="search"
        value={text}
        placeholder={placeholder}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}
