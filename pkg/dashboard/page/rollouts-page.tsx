/** How far Deployments, stateful sets and daemon sets have come, and what can be done about it. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { ResourceId, Rollout, Row } from '../model/protocol.ts';
import { ask } from './ask.ts';
import { openList } from './list-model.ts';
import { NamespaceChoice } from './list-page.tsx';
import { narrow, objectHref, route } from './route.ts';
import { known } from './session.ts';
import { count, percent } from './words.ts';

/** Of each kind; who has more narrows them down. */
const shownMax = 100;

const kinds: readonly { readonly title: string; readonly resource: ResourceId; readonly actions: readonly string[] }[] =
  [
    { title: 'Deployments', resource: known.deployments, actions: ['restart', 'pause', 'resume', 'undo'] },
    { title: 'Stateful sets', resource: known.statefulSets, actions: ['restart', 'undo'] },
    { title: 'Daemon sets', resource: known.daemonSets, actions: ['restart', 'undo'] },
  ];

/** The page. */
export function RolloutsPage() {
  const { ns = '' } = route.value.params;
  return (
    <div class="page scroll">
      <h1>Rollouts</h1>
      <search class="filters">
        <NamespaceChoice value={ns} onChange={(value) => narrow({ ns: value })} />
      </search>
      {kinds.map((kind) => (
        <Kind key={kind.title} {...kind} namespace={ns} />
      ))}
    </div>
  );
}

interface KindProps {
  readonly title: string;
  readonly resource: ResourceId;
  readonly actions: readonly string[];
  readonly namespace: string;
}

function Kind({ title, resource, actions, namespace }: KindProps) {
  const model = useMemo(() => openList({ kind: 'list', resource, namespace, from: 0, count: shownMax }), [namespace]);
  useEffect(() => model.view.close, [model]);
  const { rows, total, isThere, problem } = model.state.value;
  const shown = total > rows.length ? `${rows.length} of ${count(total)}` : count(total);
  return (
    <section>
      <h2>
        {title} <span class="quiet">{isThere ? shown : ''}</span>
      </h2>
      {problem === '' ? null : <p class="problem">{problem}</p>}
      <ul class="cards">
        {rows.map((row) => (
          <Card key={row.key} row={row} resource={resource} actions={actions} />
        ))}
      </ul>
    </section>
  );
}

interface CardProps {
  readonly row: Row;
  readonly resource: ResourceId;
  readonly actions: readonly string[];
}

function Card({ row, resource, actions }: CardProps) {
  const { rollout } = row.facts;
  const [said, setSaid] = useState('');
  const [isOpen, setOpen] = useState(false);
  if (rollout === undefined) return null;
  const act = (action: string): void => {
    const { namespace, name } = row;
    ask<{ message: string }>('POST', '/api/rollouts', { action, resource: resource.resource, namespace, name }).then(
      ({ message }) => setSaid(message),
      (error: Error) => setSaid(error.message),
    );
  };
  const possible = actions.filter((action) => action !== (rollout.paused ? 'pause' : 'resume'));
  return (
    <li class="card">
      <div class="title">
        <a href={objectHref(resource, row.namespace, row.name)}>{row.name}</a>
        <span class="quiet">{row.namespace}</span>
        <span class="grow" />
        {possible.map((action) => (
          <button key={action} type="button" aria-label={`${action} ${row.name}`} onClick={() => act(action)}>
            {action}
          </button>
        ))}
      </div>
      <p class="quiet">{rollout.images.join(', ')}</p>
      <Progress rollout={rollout} name={row.name} />
      <p role="status">{said}</p>
      {resource.resource === 'deployments' ? (
        <details onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>Replica sets</summary>
          {isOpen ? <ReplicaSets owner={row} /> : null}
        </details>
      ) : null}
    </li>
  );
}

function Progress({ rollout, name }: { readonly rollout: Rollout; readonly name: string }) {
  const { desired, updated, ready, total, paused, message } = rollout;
  const share = (value: number): string => percent(desired === 0 ? 1 : Math.min(1, value / desired)).replace(' ', '');
  const isDone = updated >= desired && ready >= desired && total <= Math.max(desired, updated);
  const text = `${updated} of ${desired} updated, ${ready} ready${total > desired ? `, ${total} in all` : ''}`;
  return (
    <>
      <div
        class="progress"
        role="progressbar"
        aria-label={`Rollout of ${name}`}
        aria-valuemin={0}
        aria-valuemax={desired}
        aria-valuenow={Math.min(updated, desired)}
        aria-valuetext={text}
      >
        <i class="updated" style={{ width: share(updated) }} />
        <i class="ready" style={{ width: share(ready) }} />
      </div>
      <p>
        {isDone ? 'Complete: ' : paused ? 'Paused: ' : 'In progress: '}
        {text}. <span class="quiet">{isDone ? '' : message}</span>
      </p>
    </>
  );
}

function ReplicaSets({ owner }: { readonly owner: Row }) {
  const model = useMemo(() => {
    const query = { resource: known.replicaSets, namespace: owner.namespace, owner: owner.uid };
    return openList({ kind: 'list', ...query, sort: { by: 'time', descending: true }, from: 0, count: 20 });
  }, [owner.uid]);
  useEffect(() => model.view.close, [model]);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Revision</th>
          <th scope="col">Replica set</th>
          <th scope="col">Images</th>
          <th scope="col">Ready</th>
        </tr>
      </thead>
      <tbody>
        {model.state.value.rows.map((row) => (
          <tr key={row.key}>
            <td>{row.facts.rollout?.revision}</td>
            <td>
              <a href={objectHref(known.replicaSets, row.namespace, row.name)}>{row.name}</a>
            </td>
            <td>{row.facts.rollout?.images.join(', ')}</td>
            <td>
              {row.facts.rollout?.ready} of {row.facts.rollout?.desired}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
