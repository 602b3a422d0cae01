/** Why a pod is where it is, or nowhere: what each plugin of the scheduler says of each node now. Nodes that are refused for the same reason are one line. */
import { useEffect, useState } from 'preact/hooks';
import type { PlacementText } from '../model/protocol.ts';
import { ask } from './ask.ts';
import type { ObjectTabProps } from './object-place.ts';
import { objectHref } from './route.ts';
import { known } from './session.ts';
import { count } from './words.ts';

/** Nodes that take the pod which are shown: the best. */
const ratedMax = 20;
/** Nodes of one refusal that are named. */
const namedMax = 8;

type Explained = PlacementText['nodes'][number];
type Refused = Extract<Explained, { readonly refusedBy: string }>;
type Rated = Extract<Explained, { readonly total: number }>;

/** The tab. */
export function PlacementTab({ namespace, name, row }: ObjectTabProps) {
  const [placement, setPlacement] = useState<PlacementText>();
  const [problem, setProblem] = useState('');
  const look = (): void => {
    const path = `/api/placement/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
    ask<PlacementText>('GET', path).then(setPlacement, (error: Error) => setProblem(error.message));
  };
  useEffect(look, [namespace, name]);
  if (problem !== '') return <p role="alert">{problem}</p>;
  if (placement === undefined) return <p role="status">Asking every plugin about every node …</p>;
  const { nodes, node, refusedWhole } = placement;
  const rated = nodes.filter((one): one is Rated => 'total' in one);
  const refused = nodes.filter((one): one is Refused => 'refusedBy' in one);
  const isOn = row?.facts.node;
  return (
    <div class="scroll prose">
      <p>
        {isOn === undefined ? 'The pod is on no node. ' : `The pod is on ${isOn}; this is what would be decided now. `}
        {node === undefined ? `No node of ${count(nodes.length)} takes it.` : `It would go to ${node}.`}{' '}
        <button type="button" onClick={look}>
          Ask again
        </button>
      </p>
      {refusedWhole === undefined ? null : (
        <p class="problem">
          {refusedWhole.plugin}: {refusedWhole.reasons.join(', ')}
        </p>
      )}
      {refused.length === 0 ? null : <Refusals refused={refused} />}
      {rated.length === 0 ? null : <Ratings rated={rated} />}
    </div>
  );
}

function Refusals({ refused }: { readonly refused: readonly Refused[] }) {
  const groups = Map.groupBy(refused, ({ refusedBy, reasons }) => `${refusedBy}: ${reasons.join(', ')}`);
  const sorted = [...groups].sort(([, a], [, b]) => b.length - a.length);
  return (
    <table>
      <caption>Nodes that do not take it</caption>
      <thead>
        <tr>
          <th scope="col">Nodes</th>
          <th scope="col">Plugin and reason</th>
          <th scope="col">Which</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map(([why, nodes]) => (
          <tr key={why}>
            <td>{count(nodes.length)}</td>
            <td>{why}</td>
            <td>
              {nodes.slice(0, namedMax).map(({ node }) => (
                <span key={node}>
                  <a href={objectHref(known.nodes, '', node)}>{node}</a>{' '}
                </span>
              ))}
              {nodes.length > namedMax ? '…' : ''}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Ratings({ rated }: { readonly rated: readonly Rated[] }) {
  const short = (value: number): string => String(Math.round(value * 100) / 100);
  return (
    <table>
      <caption>
        Nodes that take it, best first{rated.length > ratedMax ? ` (${ratedMax} of ${count(rated.length)})` : ''}
      </caption>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col">Total</th>
          <th scope="col">Ratings</th>
        </tr>
      </thead>
      <tbody>
        {rated.slice(0, ratedMax).map(({ node, total, scores }) => (
          <tr key={node}>
            <td>
              <a href={objectHref(known.nodes, '', node)}>{node}</a>
            </td>
            <td>{short(total)}</td>
            <td>
              {scores
                .map(({ plugin, score, weight }) => `${plugin} ${short(score)}${weight === 1 ? '' : ` × ${weight}`}`)
                .join(', ')}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
