/** The map of nodes: what is packed on each, what is stranded, and the pods of the one that is chosen. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { DataGrid } from './data-grid.tsx';
import { NodesMap } from './nodes-map.tsx';
import { type NodeState, type NodesState, openNodes, sharesOf, strandedOf } from './nodes-model.ts';
import { listHref, objectHref } from './route.ts';
import { known } from './session.ts';
import { count, cpuText, memoryText, percent } from './words.ts';

/** The page. */
export function NodesPage() {
  const model = useMemo(openNodes, []);
  useEffect(() => model.close, [model]);
  const [selected, setSelected] = useState('');
  const state = model.state.value;
  const node = state.nodes.find(({ name }) => name === selected);
  return (
    <div class="page">
      <h1>Nodes and packing</h1>
      <p role="status" class={state.problem === '' ? 'quiet' : 'problem'}>
        {statusOf(state)}
      </p>
      <Summary state={state} />
      <Legend />
      <div class="map-and-detail">
        <section class="scroll" aria-label="Map of nodes">
          <NodesMap nodes={state.nodes} selected={selected} describe={describe} onSelect={setSelected} />
        </section>
        {node === undefined ? null : <NodeDetail node={node} />}
      </div>
    </div>
  );
}

function statusOf({ problem, isThere, isComplete }: NodesState): string {
  if (problem !== '') return problem;
  if (!isThere) return 'Loading …';
  return isComplete ? '' : 'Reading the pods …';
}

function describe(node: NodeState): string {
  const taken = sharesOf(node);
  const stranded = strandedOf(node);
  const state = node.ready ? (node.closed ? ', takes no new pods' : '') : ', not ready';
  return `${node.name}: CPU ${percent(taken.cpu)}, memory ${percent(taken.memory)} taken, ${percent(
    Math.max(stranded.cpu, stranded.memory),
  )} of ${stranded.cpu > 0 ? 'CPU' : 'memory'} stranded, ${node.podsTaken} pods${state}`;
}

function Summary({ state: { nodes, pending } }: { readonly state: NodesState }) {
  const sum = (value: (node: NodeState) => number): number => nodes.reduce((total, node) => total + value(node), 0);
  const [cpu, memory] = [sum((node) => node.cpu), sum((node) => node.memory)];
  const [cpuTaken, memoryTaken] = [sum((node) => node.cpuTaken), sum((node) => node.memoryTaken)];
  const cpuStranded = sum((node) => node.cpu * strandedOf(node).cpu);
  const memoryStranded = sum((node) => node.memory * strandedOf(node).memory);
  const open = nodes.filter(({ podsTaken }) => podsTaken > 0).length;
  const share = (part: number, whole: number): string => (whole === 0 ? '' : ` (${percent(part / whole)})`);
  return (
    <dl class="figures">
      <Figure name="Nodes" text={`${count(nodes.length)}, ${count(open)} with pods`} />
      <Figure name="Pods on nodes" text={count(sum((node) => node.podsTaken))} />
      <Figure name="CPU taken" text={`${cpuText(cpuTaken)} of ${cpuText(cpu)}${share(cpuTaken, cpu)}`} />
      <Figure
        name="Memory taken"
        text={`${memoryText(memoryTaken)} of ${memoryText(memory)}${share(memoryTaken, memory)}`}
      />
      <Figure name="Stranded" text={`${cpuText(cpuStranded)}, ${memoryText(memoryStranded)}`} />
      <div>
        <dt>Pods that wait</dt>
        <dd>
          <a href={listHref(known.pods, { phase: 'Pending' })}>{count(pending)}</a>
        </dd>
      </div>
    </dl>
  );
}

function Figure({ name, text }: { readonly name: string; readonly text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </div>
  );
}

function Legend() {
  return (
    <ul class="legend">
      <li>
        <i class="swatch cpu" /> CPU taken
      </li>
      <li>
        <i class="swatch memory" /> memory taken
      </li>
      <li>
        <i class="swatch stranded" /> stranded: left of one, but not of the other
      </li>
      <li>
        <i class="swatch" /> free
      </li>
      <li>
        <span aria-hidden="true">✕</span> not ready
      </li>
      <li>
        <span aria-hidden="true">╱</span> takes no new pods
      </li>
    </ul>
  );
}

function NodeDetail({ node }: { readonly node: NodeState }) {
  const stranded = strandedOf(node);
  return (
    <section class="detail" aria-label={`Node ${node.name}`}>
      <h2>
        <a href={objectHref(known.nodes, '', node.name)}>{node.name}</a>
      </h2>
      <Meter label="CPU" taken={node.cpuTaken} has={node.cpu} stranded={stranded.cpu} text={cpuText} />
      <Meter label="Memory" taken={node.memoryTaken} has={node.memory} stranded={stranded.memory} text={memoryText} />
      <Meter label="Pods" taken={node.podsTaken} has={node.pods} stranded={0} text={count} />
      <DataGrid
        key={node.name}
        label={`Pods on ${node.name}`}
        query={{ resource: known.pods, node: node.name }}
        hasNamespace={false}
        without={['Age', 'Restarts']}
        hrefOf={(row) => objectHref(known.pods, row.namespace, row.name)}
        onOpen={(row) => {
          location.hash = objectHref(known.pods, row.namespace, row.name);
        }}
      />
    </section>
  );
}

interface MeterProps {
  readonly label: string;
  readonly taken: number;
  readonly has: number;
  readonly stranded: number;
  readonly text: (amount: number) => string;
}

function Meter({ label, taken, has, stranded, text }: MeterProps) {
  const share = has > 0 ? Math.min(1, taken / has) : 0;
  return (
    <div class="meter">
      <span>{label}</span>
      <span class="bar" aria-hidden="true">
        <i class={label === 'Memory' ? 'memory' : 'cpu'} style={{ width: percent(share).replace(' ', '') }} />
        <i class="stranded" style={{ width: percent(stranded).replace(' ', '') }} />
      </span>
      <span>
        {text(taken)} of {text(has)}
        {stranded > 0 ? `, ${text(has * stranded)} stranded` : ''}
      </span>
    </div>
  );
}
